// Composition of a lattice with a language model, best parts first.
//
// A state of the result is a pair (state of the lattice, state of the model). What is expected of a path through it is
//
//   forward cost of the pair + backward cost of the lattice's state + the model's share of the rest,
//
// where the share is what the model has added on the rest of the best path found so far, or on that of the pair before
// it. A queue holds pairs by what is expected of the best arc that they have not gone along yet, so that one arc is made
// at a time, the most promising one first; arcs beyond the beam are never made, and the model is never asked about them.
// As there is no beam before there is a path, pairs that are far from the start come first until then.
// Forward costs and shares grow stale as arcs come: they are computed anew each time that the result has grown by a
// factor (Kaldi's ComposeCompactLatticePruned, whose order of arcs and rounding to floats this keeps).
#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_set>

#include "fst/builder.h"
#include "fst/structure.h"
#include "lattice/lattice.h"
#include "lattice/rescore.h"

namespace sonant {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kNone = 0xffffffff;
constexpr float kDeepFirst = -1000;  // cost of an arc from the start on, until there is a path

class PrunedComposition {
 public:
  PrunedComposition(const View<CompactWeight>& lattice, OnDemand& model, const PrunedComposeOptions& options)
      : lattice_(lattice), model_(model), options_(options),
        work_("pruned composition", options.bounds, sizeof(Pair) + 24, sizeof(Made)) {
    work_.what = "a lattice of " + std::to_string(lattice.num_states) + " states";
    check_costs(lattice, work_);
    if (!(options.beam >= 0)) work_.fail("beam=", options.beam, "; expected 0 or more");
    if (!(options.growth > 1)) work_.fail("a growth ratio of ", options.growth, "; expected more than 1");
    if (options.max_arcs < 1 || options.initial_arcs < 1) {
      work_.fail("max_arcs=", options.max_arcs, " and ", options.initial_arcs, " arcs at first; expected 1 or more");
    }
  }

  CompactLattice run() {
    if (lattice_.start == kNoState || model_.start() == kNoState) return {};
    order_ways();
    pair_of(lattice_.start, model_.start());
    pairs_[0].forward = 0;
    queue_.push_back({0, 0});
    while (best_ == kNever || arcs_.size() < std::size_t(options_.max_arcs)) {
      renew();
      const std::size_t limit = arc_limit();
      while (arcs_.size() < limit && !queue_.empty()) {
        if (model_.wants_to_expect()) announce();
        std::ranges::pop_heap(queue_, std::greater());
        const std::uint32_t q = queue_.back().second;
        queue_.pop_back();
        extend(q);
        work_.step();
        work_.made(pairs_.size(), arcs_.size());
        check_model();
      }
      if (queue_.empty()) break;
    }
    return sorted(connect(result()), "pruned composition");
  }

 private:
  struct Way {  // an arc of a state of the lattice, or, -1, its end
    float delta;  // cost to the end by it, over that by the best way
    std::int32_t arc;
  };
  struct Pair {
    StateId state, model;
    double forward = kNever, backward = kNever;
    CompactWeight final = CompactWeight::zero();
    float share = 0;
    float delta = 0;           // of the next way
    std::uint32_t next = 0;    // way not gone yet; kNone where all are
    std::int32_t depth = 0;  // arcs from the start
    std::uint32_t before = kNone;  // pair on the best path from the start
    std::uint32_t first = kNone, last = kNone;  // of its arcs, as a list
    std::uint32_t alike = kNone;  // the next pair of the same state of the lattice
  };
  struct Made {
    Arc<CompactWeight> arc;
    std::uint32_t next;
  };
  using Entry = std::pair<float, std::uint32_t>;  // expectation over the lattice's best cost, pair

  // Ways of each state, the best one first.
  void order_ways() {
    const std::size_t states = lattice_.num_states;
    backward_.assign(states, kNever);
    first_way_.assign(states + 1, 0);
    for (std::size_t s = 0; s < states; ++s) {
      first_way_[s + 1] = first_way_[s] + lattice_.states[s].arcs + !is_zero(CompactWeight(lattice_.states[s].final));
    }
    ways_.resize(first_way_.back());
    std::vector<std::pair<double, std::int32_t>> costs;
    for (std::size_t s = states; s-- > 0;) {
      costs.clear();
      const CompactWeight final = lattice_.states[s].final;
      if (!is_zero(final)) costs.push_back({float(cost_of(final)), -1});
      std::int32_t i = 0;
      for (const Arc<CompactWeight>& arc : lattice_.arcs_of(StateId(s))) {
        costs.push_back({float(backward_[arc.nextstate] + cost_of(CompactWeight(arc.weight))), i++});
      }
      std::ranges::sort(costs);
      backward_[s] = costs[0].first;
      for (std::size_t w = 0; w < costs.size(); ++w) {
        ways_[first_way_[s] + w] = {float(costs[w].first - backward_[s]), costs[w].second};
      }
    }
    least_ = backward_[lattice_.start];
    first_pair_.assign(states, kNone);
    last_pair_.assign(states, kNone);
  }

  std::uint32_t pair_of(StateId s, StateId m) {
    const std::uint32_t q = numbers_(std::uint64_t(std::uint32_t(s)) << 32 | std::uint32_t(m));
    if (q == pairs_.size()) {
      pairs_.push_back({s, m});
      (last_pair_[s] == kNone ? first_pair_[s] : pairs_[last_pair_[s]].alike) = q;
      last_pair_[s] = q;
    }
    return q;
  }

  float expected(const Pair& pair) const {
    return float(pair.forward + backward_[pair.state] + pair.share + pair.delta - least_);
  }
  void enqueue(std::uint32_t q) {
    const float value = expected(pairs_[q]);
    if (!(value < cutoff_)) return;
    queue_.push_back({value, q});
    std::ranges::push_heap(queue_, std::greater());
  }

  std::size_t arc_limit() const {
    if (arcs_.empty()) return std::size_t(options_.initial_arcs);
    const auto grown = std::size_t(double(float(arcs_.size()) * options_.growth));
    const std::size_t limit = std::max(grown, arcs_.size() + 1);
    return best_ == kNever ? limit : std::min(limit, std::size_t(options_.max_arcs));
  }

  // Costs of the pairs, their shares, and the queue by them.
  void renew() {
    order_.clear();
    for (std::size_t s = 0; s < lattice_.num_states; ++s) {
      for (std::uint32_t q = first_pair_[s]; q != kNone; q = pairs_[q].alike) order_.push_back(q);
    }
    work_.steps(order_.size() + arcs_.size());
    for (std::size_t q = 1; q < pairs_.size(); ++q) {
      pairs_[q].forward = kNever;
      pairs_[q].before = kNone;
    }
    for (const std::uint32_t q : order_) {
      for (std::uint32_t a = pairs_[q].first; a != kNone; a = arcs_[a].next) {
        const double cost = pairs_[q].forward + cost_of(CompactWeight(arcs_[a].arc.weight));
        Pair& to = pairs_[arcs_[a].arc.nextstate];
        if (to.forward > cost) {
          to.forward = cost;
          to.before = q;
          to.depth = pairs_[q].depth + 1;
        }
      }
    }
    for (std::size_t i = order_.size(); i-- > 0;) {
      Pair& pair = pairs_[order_[i]];
      double cost = cost_of(pair.final);
      for (std::uint32_t a = pair.first; a != kNone; a = arcs_[a].next) {
        const double way = cost_of(CompactWeight(arcs_[a].arc.weight)) + pairs_[arcs_[a].arc.nextstate].backward;
        cost = std::min(cost, way);
      }
      pair.backward = cost;
    }
    best_ = pairs_[0].backward;
    cutoff_ = float(best_ - least_ + options_.beam);
    queue_.clear();
    for (const std::uint32_t q : order_) {
      Pair& pair = pairs_[q];
      const float deep = ended_ ? 0 : kDeepFirst;
      pair.share = pair.backward < kNever ? float(pair.backward - backward_[pair.state] + float(pair.depth) * deep)
                   : pair.before != kNone ? pairs_[pair.before].share + deep
                                          : 0;
      if (const float value = expected(pair); value < cutoff_) queue_.push_back({value, q});
    }
    std::ranges::make_heap(queue_, std::greater());
  }

  // Tells the model which of its states come next, so that it can work on many at once: that of the pair at hand, and,
  // once there is a beam, the first new ones on the best ways from the other pairs that will be gone along, too.
  void announce() {
    if (told(pairs_[queue_.front().second].model)) return;
    soon_ = queue_;
    const std::size_t many = ended_ ? std::min(soon_.size(), std::size_t(std::max(options_.ahead, 1))) : 1;
    std::ranges::nth_element(soon_, soon_.begin() + std::ptrdiff_t(many - 1));
    states_.clear();
    for (std::size_t i = 0; i < many; ++i) {
      if (const StateId m = first_new(pairs_[soon_[i].second]); m != kNoState) states_.push_back(m);
    }
    std::ranges::sort(states_);
    states_.erase(std::ranges::unique(states_).begin(), states_.end());
    told_.insert(states_.begin(), states_.end());
    model_.expect(states_);
  }

  bool told(StateId m) const { return told_.contains(m); }

  // The first state of the model that it was not told of yet on the best way from a pair within the beam, or kNoState.
  StateId first_new(const Pair& pair) {
    StateId s = pair.state, m = pair.model;
    double cost = pair.forward;
    std::size_t way = first_way_[s] + pair.next;
    while (told(m)) {
      if (ways_[way].arc < 0) return kNoState;
      const Arc<CompactWeight> arc = lattice_.arcs_of(s)[std::size_t(ways_[way].arc)];
      cost += cost_of(CompactWeight(arc.weight));
      if (arc.olabel != 0) {
        const Step step = model_.step(m, arc.olabel);
        if (step.next == kNoState) return kNoState;
        cost += step.cost;
        m = step.next;
      }
      s = arc.nextstate;
      way = first_way_[s];
      if (!(cost + backward_[s] + pair.share - least_ < cutoff_)) return kNoState;
    }
    return m;
  }

  // Goes along the next way of a pair.
  void extend(std::uint32_t q) {
    const StateId s = pairs_[q].state;
    const std::size_t way = first_way_[s] + pairs_[q].next;
    if (way + 1 == first_way_[s + 1]) {
      pairs_[q].next = kNone;
      pairs_[q].delta = kInfinity;
    } else {
      ++pairs_[q].next;
      pairs_[q].delta = ways_[way + 1].delta;
      enqueue(q);
    }
    if (ways_[way].arc < 0) {
      end(q);
    } else {
      go(q, lattice_.arcs_of(s)[std::size_t(ways_[way].arc)]);
    }
  }

  void end(std::uint32_t q) {
    const float cost = model_.final(pairs_[q].model);
    if (!is_cost(cost)) work_.fail("ending in state ", pairs_[q].model, " of the model costs ", cost, "; expected a number");
    if (cost == kInfinity) return;
    Pair& pair = pairs_[q];
    pair.final = lattice_.states[pair.state].final;
    pair.final.weight.graph += cost;
    pair.backward = std::min(pair.backward, cost_of(pair.final));
    if (!ended_) {
      ended_ = true;
      renew();
    }
  }

  void go(std::uint32_t q, Arc<CompactWeight> arc) {
    Step step{0, 0, pairs_[q].model};
    if (arc.olabel != 0) {
      step = model_.step(pairs_[q].model, arc.olabel);
      if (step.next == kNoState) return;
      if (!is_cost(step.cost)) work_.fail("a step with the word ", Label(arc.olabel), " costs ", step.cost, "; expected a number");
      arc.ilabel = arc.olabel = step.olabel;
    }
    const double cost = cost_of(CompactWeight(arc.weight)) + step.cost;
    CompactWeight weight = arc.weight;
    weight.weight.graph += step.cost;
    arc.weight = weight;
    const std::size_t known = pairs_.size();
    const std::uint32_t to = pair_of(arc.nextstate, step.next);
    if (pairs_.size() > known) {
      pairs_[to].forward = pairs_[q].forward + cost;
      pairs_[to].depth = pairs_[q].depth + 1;
      pairs_[to].share = pairs_[q].share + float(pairs_[to].depth) * (ended_ ? 0 : kDeepFirst);
      enqueue(to);
    }
    arc.nextstate = StateId(to);
    const auto made = std::uint32_t(arcs_.size());
    (pairs_[q].last == kNone ? pairs_[q].first : arcs_[pairs_[q].last].next) = made;
    pairs_[q].last = made;
    arcs_.push_back({arc, kNone});
  }

  void check_model() {
    if (++since_ % 65536 == 0 && model_.bytes() > half_of_memory()) {
      work_.fail("the states of the model need more than half of the memory of this machine; a smaller beam needs less");
    }
  }

  CompactLattice result() const {
    FstBuilder<CompactWeight> made;
    made.strings = *lattice_.strings;
    for (const Pair& pair : pairs_) {
      made.open(pair.final);
      for (std::uint32_t a = pair.first; a != kNone; a = arcs_[a].next) made.add(arcs_[a].arc);
    }
    made.start = 0;
    return made.finish();
  }

  const View<CompactWeight>& lattice_;
  OnDemand& model_;
  const PrunedComposeOptions& options_;
  Work work_;
  // Of the lattice, by state
  std::vector<double> backward_;
  std::vector<std::size_t> first_way_;
  std::vector<Way> ways_;
  std::vector<std::uint32_t> first_pair_, last_pair_;
  double least_ = 0;
  // Of the result
  Numbering numbers_;
  std::vector<Pair> pairs_;
  std::vector<Made> arcs_;
  std::vector<std::uint32_t> order_;
  std::vector<Entry> queue_, soon_;
  std::vector<StateId> states_;
  std::unordered_set<StateId> told_;  // states of the model
  double best_ = kNever;
  float cutoff_ = kInfinity;
  bool ended_ = false;
  std::size_t since_ = 0;
};

}  // namespace

CompactLattice compose_pruned(const CompactLattice& lattice, OnDemand& model, const PrunedComposeOptions& options) {
  const CompactLattice given = sorted(connect(lattice), "pruned composition");
  const View<CompactWeight> view = given.view();
  return PrunedComposition(view, model, options).run();
}

}  // namespace sonant

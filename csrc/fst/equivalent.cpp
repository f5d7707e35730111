#include "fst/equivalent.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "fst/compose.h"
#include "fst/distance.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

template <class W>
double cost_of(const W& w) {
  if constexpr (W::floats == 1) return w.value;
  else return double(w.graph) + double(w.acoustic);
}

// States that lie on a path to a final state.
template <class W>
std::vector<char> live_states(const View<W>& fst) {
  std::vector<std::vector<StateId>> back(fst.num_states);
  std::vector<StateId> stack;
  std::vector<char> live(fst.num_states, 0);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
      if (!is_zero(W(arc.weight))) back[arc.nextstate].push_back(StateId(s));
    }
    if (!is_zero(W(fst.states[s].final))) live[s] = 1, stack.push_back(StateId(s));
  }
  while (!stack.empty()) {
    const StateId s = stack.back();
    stack.pop_back();
    for (const StateId from : back[s]) {
      if (!live[from]) live[from] = 1, stack.push_back(from);
    }
  }
  return live;
}

class Joined {  // union-find; each element has a cost relative to its parent
 public:
  explicit Joined(std::size_t n) : parent_(n), cost_(n, 0) { std::iota(parent_.begin(), parent_.end(), 0); }
  // The root, and the cost of x relative to it.
  std::pair<std::size_t, double> find(std::size_t x) {
    std::size_t root = x;
    double total = 0;
    while (parent_[root] != root) {
      total += cost_[root];
      root = parent_[root];
    }
    const double whole = total;
    while (parent_[x] != root && x != root) {
      const std::size_t next = parent_[x];
      const double own = cost_[x];
      parent_[x] = root;
      cost_[x] = total;
      total -= own;
      x = next;
    }
    return {root, whole};
  }
  void join(std::size_t root, std::size_t under, double cost) {
    parent_[root] = under;
    cost_[root] = cost;
  }

 private:
  std::vector<std::size_t> parent_;
  std::vector<double> cost_;
};

template <class W>
std::vector<Arc<W>> live_arcs(const View<W>& fst, StateId s, const std::vector<char>& live) {
  std::vector<Arc<W>> arcs;
  for (const Arc<W>& arc : fst.arcs_of(s)) {
    if (live[arc.nextstate] && !is_zero(W(arc.weight))) arcs.push_back(arc);
  }
  std::ranges::sort(arcs, [](const Arc<W>& x, const Arc<W>& y) { return x.ilabel < y.ilabel; });
  return arcs;
}

}  // namespace

template <class W>
bool equivalent(const Fst<W>& left, const Fst<W>& right, float delta) {
  using namespace properties;
  for (const Fst<W>* fst : {&left, &right}) {
    const Bits asked = kAcceptor | kIDeterministic | kNoEpsilons;
    const Bits found = find_properties(fst->view(), fst->stored_properties(), asked | kNonIDeterministic);
    if ((found & asked) != asked) {
      fst_error("equivalence: the ", fst == &left ? "left" : "right", " automaton (", fst->num_states(), " states) is ",
                !(found & kAcceptor) ? "no acceptor: encode its labels"
                : !(found & kNoEpsilons) ? "not free of epsilons: remove them"
                                          : "not deterministic: determinize it",
                ", or compare random paths");
    }
  }
  const View<W> a = left.view(), b = right.view();
  const std::vector<char> live_a = live_states(a), live_b = live_states(b);
  const bool some_a = a.start != kNoState && live_a[a.start], some_b = b.start != kNoState && live_b[b.start];
  if (!some_a || !some_b) return some_a == some_b;
  Work work("equivalence", {}, 1, 1);
  struct Pair {
    StateId s, t;
    double more;  // what the paths to t cost more than those to s
  };
  Joined joined(a.num_states + b.num_states);
  std::vector<Pair> stack = {{a.start, b.start, 0}};
  while (!stack.empty()) {
    const auto [s, t, more] = stack.back();
    stack.pop_back();
    work.step();
    // potential(x): the cost from x on relative to that from its root; s must cost `more` more than t from here.
    const auto [root_s, cost_s] = joined.find(std::size_t(s));
    const auto [root_t, cost_t] = joined.find(a.num_states + std::size_t(t));
    if (root_s == root_t) {
      if (std::fabs(cost_s - cost_t - more) > delta) return false;
      continue;
    }
    joined.join(root_s, root_t, more + cost_t - cost_s);
    const W final_s = a.states[s].final, final_t = b.states[t].final;
    if (is_zero(final_s) != is_zero(final_t)) return false;
    if (!is_zero(final_s) && std::fabs(cost_of(final_s) - cost_of(final_t) - more) > delta) return false;
    const auto arcs_s = live_arcs(a, s, live_a), arcs_t = live_arcs(b, t, live_b);
    if (arcs_s.size() != arcs_t.size()) return false;
    for (std::size_t i = 0; i < arcs_s.size(); ++i) {
      const Arc<W>&x = arcs_s[i], &y = arcs_t[i];
      if (x.ilabel != y.ilabel) return false;
      stack.push_back({x.nextstate, y.nextstate, more + cost_of(W(y.weight)) - cost_of(W(x.weight))});
    }
  }
  return true;
}

namespace {

// One of the arcs, or their number: the end.
template <class W>
std::size_t drawn(const std::vector<Arc<W>>& arcs, const W& final, bool by_weight, std::mt19937_64& random) {
  const std::size_t ways = arcs.size() + !is_zero(final);
  if (!by_weight) return std::size_t(random() % ways);
  const auto cost = [&](std::size_t way) { return cost_of(way < arcs.size() ? W(arcs[way].weight) : final); };
  double least = kInfinity, all = 0;
  for (std::size_t way = 0; way < ways; ++way) least = std::min(least, double(cost(way)));
  for (std::size_t way = 0; way < ways; ++way) all += std::exp(least - cost(way));
  double rest = all * double(random() >> 11) * 0x1p-53;
  for (std::size_t way = 0; way + 1 < ways; ++way) {
    rest -= std::exp(least - cost(way));
    if (rest < 0) return way;
  }
  return ways - 1;
}

}  // namespace

template <class W>
bool random_equivalent(const Fst<W>& a, const Fst<W>& b, const RandomOptions& options) {
  std::mt19937_64 random(options.seed);
  const auto chain = [](const std::vector<Label>& labels) {
    FstBuilder<W> fst;
    fst.start = 0;
    for (std::size_t i = 0; i <= labels.size(); ++i) {
      fst.open(i == labels.size() ? W::one() : W::zero());
      if (i < labels.size()) fst.add({labels[i], labels[i], W::one(), StateId(i + 1)});
    }
    return fst.finish(kNothingKnown | properties::kILabelSorted | properties::kOLabelSorted);
  };
  Work work("random equivalence", {}, 1, 1);
  const std::vector<char> live[2] = {live_states(a.view()), live_states(b.view())};
  for (std::uint64_t i = 0; i < options.paths; ++i) {
    const bool of_left = random() & 1;
    const View<W> from = (of_left ? a : b).view();
    const std::vector<char>& lives = live[of_left ? 0 : 1];
    if (from.start == kNoState || !lives[from.start]) continue;
    std::vector<Label> input, output;
    bool whole = false;
    StateId s = from.start;
    for (std::uint64_t length = 0; length <= options.max_length; ++length) {
      work.step();
      std::vector<Arc<W>> arcs;
      for (const Arc<W>& arc : from.arcs_of(s)) {
        if (lives[arc.nextstate] && !is_zero(W(arc.weight))) arcs.push_back(arc);
      }
      const std::size_t way = drawn(arcs, W(from.states[s].final), options.by_weight, random);
      if (way == arcs.size()) {
        whole = true;
        break;
      }
      if (arcs[way].ilabel) input.push_back(arcs[way].ilabel);
      if (arcs[way].olabel) output.push_back(arcs[way].olabel);
      s = arcs[way].nextstate;
    }
    if (!whole) continue;
    const Fst<W> in = chain(input), out = chain(output);
    double cost[2];
    for (int side = 0; side < 2; ++side) {
      const Fst<W> paths = compose(compose(in, side == 0 ? a : b, {}), out, {});
      const View<W> view = paths.view();
      cost[side] = kInfinity;
      if (view.start != kNoState) cost[side] = cost_of(costs_to_final(view, "random equivalence")[view.start]);
    }
    if (!near(float(cost[0]), float(cost[1]), options.delta)) return false;
  }
  return true;
}

#define SONANT_INSTANTIATE(W)                                        \
  template bool equivalent(const Fst<W>&, const Fst<W>&, float);     \
  template bool random_equivalent(const Fst<W>&, const Fst<W>&, const RandomOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)

}  // namespace sonant

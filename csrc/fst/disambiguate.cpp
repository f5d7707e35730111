#include "fst/disambiguate.h"

#include <algorithm>

#include "fst/builder.h"
#include "fst/structure.h"
#include "fst/label_strings.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

std::uint64_t pair_of(StateId a, StateId b) {
  return std::uint64_t(std::uint32_t(std::min(a, b))) << 32 | std::uint32_t(std::max(a, b));
}

template <class W>
std::span<const Arc<W>> arcs_with(std::span<const Arc<W>> arcs, Label label) {
  const auto found = std::ranges::equal_range(arcs, label, {}, [](const Arc<W>& arc) { return Label(arc.ilabel); });
  return {found.begin(), found.end()};
}

// Calls `both` with the arcs of two states that have the same input label.
template <class W, class Both>
void join(std::span<const Arc<W>> left, std::span<const Arc<W>> right, Both both) {
  for (std::size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    if (left[i].ilabel < right[j].ilabel) {
      ++i;
    } else if (right[j].ilabel < left[i].ilabel) {
      ++j;
    } else {
      for (std::size_t k = j; k < right.size() && right[k].ilabel == left[i].ilabel; ++k) both(left[i], right[k]);
      ++i;
    }
  }
}

// How far the outputs of the two states of a pair are ahead of each other: of that with the lower number, and the
// other.
struct Lead {
  StringId first, second;
};
constexpr StringId kUnknown = 0xffffffff;
constexpr Lead kNoLead = {kEmptyString, kEmptyString};
bool same(const Lead& a, const Lead& b) { return a.first == b.first && a.second == b.second; }

// Pairs of states that one input string leads to and another one finishes.
template <class W>
class Pairs {
 public:
  Pairs(const View<W>& fst, Work& work) : fst_(fst), work_(work) {
    pairs_(pair_of(fst.start, fst.start));
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto [p, q] = states(i);
      join(fst.arcs_of(p), fst.arcs_of(q), [&](const Arc<W>& a, const Arc<W>& b) {
        work.step();
        edges_.push_back({static_cast<std::uint32_t>(i), pairs_(pair_of(a.nextstate, b.nextstate))});
      });
      work.made(pairs_.size(), edges_.size());
    }
    find_futures();
  }
  bool have_future(StateId a, StateId b) { return future_[pairs_(pair_of(a, b))]; }

  // The output of one state of a pair is ahead of that of the other by a string, the same whatever leads there; if
  // the ends are there too the automaton is functional (Béal, Carton, Prieur and Sakarovitch, "Squaring transducers",
  // 2003).
  void check_functional() {
    LabelStrings strings;
    std::vector<Lead> leads(pairs_.size(), Lead{kUnknown, kUnknown});
    std::vector<std::uint32_t> stack = {0};
    leads[0] = kNoLead;
    while (!stack.empty()) {
      const std::uint32_t i = stack.back();
      stack.pop_back();
      const auto [p, q] = states(i);
      if (is_final(p) && is_final(q) && !same(leads[i], kNoLead)) not_functional(p, q);
      const Lead lead = leads[i];
      join(fst_.arcs_of(p), fst_.arcs_of(q), [&](const Arc<W>& a, const Arc<W>& b) {
        work_.step();
        const std::uint32_t to = pairs_(pair_of(a.nextstate, b.nextstate));
        if (!future_[to]) return;
        Lead then{strings.append(lead.first, a.olabel), strings.append(lead.second, b.olabel)};
        const std::size_t common = strings.common(then.first, then.second, ~std::size_t(0));
        then = {strings.without_first(then.first, common), strings.without_first(then.second, common)};
        const bool apart = then.first != kEmptyString && then.second != kEmptyString;
        if (apart) not_functional(a.nextstate, b.nextstate);
        if (a.nextstate > b.nextstate) std::swap(then.first, then.second);
        if (a.nextstate == b.nextstate && !same(then, kNoLead)) {
          not_functional(a.nextstate, b.nextstate);
        }
        if (leads[to].first == kUnknown) {
          leads[to] = then;
          stack.push_back(to);
        } else if (!same(leads[to], then)) {
          not_functional(a.nextstate, b.nextstate);
        }
      });
    }
  }

 private:
  std::pair<StateId, StateId> states(std::size_t pair) const {
    return {static_cast<StateId>(pairs_.key(pair) >> 32), static_cast<StateId>(std::uint32_t(pairs_.key(pair)))};
  }
  bool is_final(StateId s) const { return !is_zero(W(fst_.states[s].final)); }

  void find_futures() {
    const std::size_t n = pairs_.size();
    std::vector<std::uint32_t> begin(n + 2, 0), from(edges_.size()), stack;
    for (const auto& [source, to] : edges_) ++begin[to + 2];
    for (std::size_t i = 2; i < begin.size(); ++i) begin[i] += begin[i - 1];
    for (const auto& [source, to] : edges_) from[begin[to + 1]++] = source;
    std::vector<Edge>().swap(edges_);
    future_.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const auto [p, q] = states(i);
      if (!is_final(p) || !is_final(q)) continue;
      future_[i] = 1;
      stack.push_back(static_cast<std::uint32_t>(i));
    }
    while (!stack.empty()) {
      const std::uint32_t at = stack.back();
      stack.pop_back();
      work_.step();
      for (std::uint32_t i = begin[at]; i < begin[at + 1]; ++i) {
        if (future_[from[i]]) continue;
        future_[from[i]] = 1;
        stack.push_back(from[i]);
      }
    }
  }

  [[noreturn]] void not_functional(StateId p, StateId q) const {
    fst_error("disambiguation of ", work_.what, ": it is not functional: one input leads to states ", p, " and ", q,
              " with two outputs, and can be finished alike. Encode its labels first");
  }

  struct Edge {
    std::uint32_t from, to;
  };
  const View<W> fst_;
  Work& work_;
  Numbering pairs_;
  std::vector<Edge> edges_;
  std::vector<char> future_;
};

template <class W>
class Disambiguation {
 public:
  Disambiguation(const View<W>& fst, const DisambiguateOptions& options, bool transducer)
      : fst_(fst), delta_(options.delta), work_("disambiguation", bounds(fst, options.bounds), 64, sizeof(Arc<W>)) {
    work_.what = "an automaton of " + std::to_string(fst.num_states) + " states";
    Pairs<W> pairs(fst, work_);
    if (transducer) pairs.check_functional();
    number(fst.start);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      expand(pairs, i);
      work_.made(states_.size(), result_.arcs.size());
      if (others_.size() * sizeof(Other) > half_of_memory()) {
        fst_error("disambiguation of ", work_.what, " needs more than half of the memory of this machine after ", i,
                  " states: its costs part ever further (no weak twins), or it is too ambiguous; prune it first");
      }
    }
    result_.start = 0;
  }
  Fst<W> finish() { return connect(result_.finish()); }

 private:
  // Where other paths with the same input lead.
  struct Other {
    StateId state;
    bool less;  // one of them comes before the path that is followed
    W weight;   // all of them, after that of the path
  };
  struct Followed {
    StateId state;
    std::size_t begin, end;  // of its others
  };

  static Bounds bounds(const View<W>& fst, Bounds bounds) {
    if (bounds.max_states == 0) {
      bounds.max_states = std::max<std::uint64_t>(1000000, 50 * (std::uint64_t(fst.num_states) + fst.num_arcs()));
    }
    return bounds;
  }

  static std::uint64_t hash_of(StateId state, std::span<const Other> others) {
    std::uint64_t hash = mixed(std::uint32_t(state));
    for (const Other& o : others) hash = mixed(hash + (std::uint64_t(std::uint32_t(o.state)) << 1 | o.less));
    return hash;
  }
  std::span<const Other> others_of(std::size_t i) const {
    return {others_.data() + states_[i].begin, states_[i].end - states_[i].begin};
  }
  StateId number(StateId state) {
    const auto next = static_cast<std::uint32_t>(states_.size());
    const std::uint32_t found = index_.find_or_add(hash_of(state, next_), next, [&](std::uint32_t i) {
      return states_[i].state == state && std::ranges::equal(others_of(i), next_, [&](const Other& a, const Other& b) {
               return a.state == b.state && a.less == b.less && near(a.weight, none_, b.weight, none_, delta_);
             });
    });
    if (found == next) {
      states_.push_back({state, others_.size(), others_.size() + next_.size()});
      others_.insert(others_.end(), next_.begin(), next_.end());
      if (index_.full()) index_.grow([&](std::uint32_t i) { return hash_of(states_[i].state, others_of(i)); });
    }
    return static_cast<StateId>(found);
  }

  void expand(Pairs<W>& pairs, std::size_t i) {
    const StateId q = states_[i].state;
    const auto there = others_of(i);
    here_.assign(there.begin(), there.end());
    W final = fst_.states[q].final;
    for (const Other& o : here_) {
      if (is_zero(final)) break;
      const W own = fst_.states[o.state].final;
      if (is_zero(own)) continue;
      final = o.less ? W::zero() : plus(final, times(o.weight, own, none_), none_);
    }
    result_.open(final);
    const auto arcs = fst_.arcs_of(q);
    for (std::size_t a = 0; a < arcs.size(); ++a) {
      Arc<W> arc = arcs[a];
      if (is_zero(W(arc.weight))) continue;
      next_.clear();
      const auto add = [&](const Arc<W>& by, const W& weight, bool less) {
        work_.step();
        if (is_zero(W(by.weight)) || !pairs.have_future(arc.nextstate, by.nextstate)) return;
        const W whole = times(weight, W(by.weight), none_);
        next_.push_back({by.nextstate, less, divide(whole, W(arc.weight), Side::kLeft, none_)});
      };
      for (std::size_t b = a; b-- > 0 && arcs[b].ilabel == arc.ilabel;) add(arcs[b], W::one(), true);
      for (std::size_t b = a + 1; b < arcs.size() && arcs[b].ilabel == arc.ilabel; ++b) add(arcs[b], W::one(), false);
      for (const Other& o : here_) {
        for (const Arc<W>& by : arcs_with(fst_.arcs_of(o.state), arc.ilabel)) add(by, o.weight, o.less);
      }
      if (!merge(arc)) continue;
      arc.nextstate = number(arc.nextstate);
      result_.add(arc);
    }
  }

  // One for each state. What leads to the same state as the arc goes on as it does: the path gives way to a lesser
  // one, and takes the weight of the others along. False where it gave way.
  bool merge(Arc<W>& arc) {
    std::ranges::stable_sort(next_, {}, &Other::state);
    std::size_t kept = 0;
    W along = W::zero();
    for (const Other& o : next_) {
      if (o.state == arc.nextstate) {
        if (o.less) return false;
        along = plus(along, o.weight, none_);
      } else if (kept && next_[kept - 1].state == o.state) {
        next_[kept - 1].less |= o.less;
        next_[kept - 1].weight = plus(next_[kept - 1].weight, o.weight, none_);
      } else {
        next_[kept++] = o;
      }
    }
    next_.resize(kept);
    if (is_zero(along)) return true;
    const W all = plus(W::one(), along, none_);
    arc.weight = times(W(arc.weight), all, none_);
    for (Other& o : next_) o.weight = divide(o.weight, all, Side::kLeft, none_);
    return true;
  }

  const View<W> fst_;
  const float delta_;
  Work work_;
  std::vector<Followed> states_;
  std::vector<Other> others_, next_, here_;
  HashIndex index_;
  FstBuilder<W> result_;
  NoStrings none_;
};

}  // namespace

template <class W>
Fst<W> disambiguate(const Fst<W>& fst, const DisambiguateOptions& options) {
  Fst<W> connected = connect(fst);
  for (std::size_t s = 0; s < connected.num_states(); ++s) {
    bool costs = is_member(W(connected.state(StateId(s)).final));
    for (const Arc<W>& arc : connected.arcs_of(StateId(s))) costs &= is_member(W(arc.weight));
    if (!costs) fst_error("disambiguation: a cost of state ", s, " or of its arcs is no number");
  }
  if (connected.start() == kNoState) return connected;
  connected.sort_arcs(false);
  const View<W> view = connected.view();
  const auto found = find_properties(view, connected.stored_properties(), properties::kAcceptor | properties::kNotAcceptor);
  return Disambiguation<W>(view, options, !(found & properties::kAcceptor)).finish();
}

#define SONANT_INSTANTIATE(W) template Fst<W> disambiguate(const Fst<W>&, const DisambiguateOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)

}  // namespace sonant

#include "fst/epsilon.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"
#include "fst/walk.h"

namespace sonant {

namespace {

template <class W>
bool is_epsilon(const Arc<W>& arc) {
  return arc.ilabel == 0 && arc.olabel == 0;
}

struct EpsilonArc {
  template <class W>
  bool operator()(const Arc<W>& arc) const {
    return is_epsilon(arc);
  }
};

// Sums of the log semiring are taken in double; other weights are their own.
struct Cost {
  double value;
};
template <class W>
using Sum = std::conditional_t<std::is_same_v<W, LogWeight>, Cost, W>;

inline Cost sum_of(LogWeight w) { return {w.value}; }
inline Cost joined(Cost a, LogWeight b, NoStrings&) { return {a.value + b.value}; }
inline LogWeight weight_of(Cost c) { return {static_cast<float>(c.value)}; }
inline double added(double a, double b) {
  if (a > b) std::swap(a, b);
  return b == HUGE_VAL ? a : a - std::log1p(std::exp(a - b));
}
template <class W>
W sum_of(const W& w) {
  return w;
}
template <class W>
W joined(const W& a, const W& b, StringsOf<W>& strings) {
  return times(a, b, strings);
}
template <class W>
W weight_of(const W& w) {
  return w;
}

// The states that epsilons lead to from one state, with the sums of their paths.
template <class W>
class Closure {
 public:
  Closure(const View<W>& fst, StringsOf<W>& strings, double delta, Work& work)
      : fst_(fst), strings_(strings), walked_(walk(fst, EpsilonArc{})), place_(fst.num_states, 0), delta_(delta),
        work_(work) {
    in_cycle_.assign(static_cast<std::size_t>(walked_.components), 0);
    std::vector<std::int32_t> members(in_cycle_.size(), 0);
    for (const std::int32_t c : walked_.component) ++members[c];
    for (std::size_t c = 0; c < members.size(); ++c) in_cycle_[c] = members[c] > 1;
    if (walked_.cyclic) find_loops();
  }

  struct Place {
    StateId state;
    Sum<W> sum, rest;  // rest: what has come since the state was last followed
    bool queued;
    std::uint32_t taken;
  };

  const std::vector<Place>& of(StateId root) {
    places_.clear();
    sequence_ = 0;
    reach(root, sum_of(W::one()), true);
    while (!queue_.empty()) {
      const std::uint32_t p = queue_.top().place;
      queue_.pop();
      take(p);
    }
    return places_;
  }

 private:
  struct Entry {
    std::int32_t component;
    std::uint64_t sequence;
    std::uint32_t place;
    bool operator<(const Entry& other) const {  // later
      if (component != other.component) return component < other.component;
      return sequence > other.sequence;
    }
  };

  [[noreturn]] void bad_cycle(StateId s) const {
    work_.fail("a cycle of epsilons through state ", s,
              std::is_same_v<W, LogWeight> ? " has a probability of one or more, so its paths have no finite sum"
                                           : " has a negative cost, so there is no shortest path",
              "; remove the cycle or raise its weights");
  }

  // An epsilon from a state to itself is followed 1 / (1 - p) times in the log semiring, and not at all in others.
  void find_loops() {
    loop_.assign(fst_.num_states, 0);
    for (StateId s = 0; s < static_cast<StateId>(fst_.num_states); ++s) {
      double loop = HUGE_VAL;
      for (const Arc<W>& arc : fst_.arcs_of(s)) {
        if (!is_epsilon(arc) || arc.nextstate != s) continue;
        if constexpr (std::is_same_v<W, LogWeight>) {
          loop = added(loop, arc.weight.value);
        } else if (compare(W(arc.weight), strings_, W::one(), strings_) > 0) {
          bad_cycle(s);
        }
      }
      if (std::is_same_v<W, LogWeight> && loop != HUGE_VAL) {
        if (!(loop > 0)) bad_cycle(s);
        loop_[s] = std::log(-std::expm1(-loop));
      }
    }
  }

  // Epsilons lead to a state, with this sum.
  void reach(StateId s, const Sum<W>& sum, bool is_root = false) {
    std::uint32_t p = place_[s];
    if (p >= places_.size() || places_[p].state != s) {
      p = place_[s] = static_cast<std::uint32_t>(places_.size());
      places_.push_back({s, sum, sum, false, 0});
      if (is_root && !leads_on(s)) return;
      enqueue(p);
      return;
    }
    Place& place = places_[p];
    if constexpr (std::is_same_v<W, LogWeight>) {
      place.sum.value = added(place.sum.value, sum.value);
      place.rest.value = added(place.rest.value, sum.value);
      if (place.queued || place.rest.value - place.sum.value >= -std::log(delta_)) return;
    } else {
      if (compare(sum, strings_, place.sum, strings_) <= 0) return;
      place.sum = place.rest = sum;
    }
    enqueue(p);
  }
  bool leads_on(StateId s) const { return fst_.states[s].iepsilons && fst_.states[s].oepsilons; }
  void enqueue(std::uint32_t p) {
    Place& place = places_[p];
    if (place.queued || !leads_on(place.state)) return;
    place.queued = true;
    queue_.push({walked_.component[place.state], sequence_++, p});
  }

  void take(std::uint32_t p) {
    const StateId s = places_[p].state;
    places_[p].queued = false;
    const std::uint32_t most = std::is_same_v<W, LogWeight> ? 100000 : static_cast<std::uint32_t>(places_.size()) + 1;
    if (++places_[p].taken > most) bad_cycle(s);
    const bool cycle = in_cycle_[walked_.component[s]];
    if constexpr (std::is_same_v<W, LogWeight>) {
      if (!cycle && !loop_.empty()) {
        places_[p].rest.value += loop_[s];
        places_[p].sum = places_[p].rest;
      }
    }
    const Sum<W> from = places_[p].rest;
    if constexpr (std::is_same_v<W, LogWeight>) places_[p].rest.value = HUGE_VAL;
    const auto arcs = fst_.arcs_of(s);
    work_.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      if (!is_epsilon(arc) || (arc.nextstate == s && !(cycle && std::is_same_v<W, LogWeight>))) continue;
      reach(arc.nextstate, joined(from, W(arc.weight), strings_));
    }
  }

  const View<W>& fst_;
  StringsOf<W>& strings_;
  const Walk walked_;
  std::vector<char> in_cycle_;
  std::vector<double> loop_;
  std::vector<Place> places_;
  Array<std::uint32_t> place_;
  std::priority_queue<Entry> queue_;
  std::uint64_t sequence_ = 0;
  double delta_;
  Work& work_;
};

// Arcs of one state by labels and destination. Slots that hold arcs of states before are as good as empty.
template <class W>
class ArcTable {
 public:
  // The arc like this one among those from `begin` on, or where it goes: the end.
  std::size_t find(const Array<Arc<W>>& arcs, std::size_t begin, const Arc<W>& arc) {
    if ((arcs.size() - begin + 1) * 2 > slots_.size()) grow(arcs, begin);
    for (std::size_t at = hash(arc);; ++at) {
      std::uint32_t& slot = slots_[at & (slots_.size() - 1)];
      if (slot <= begin || slot > arcs.size()) {
        slot = static_cast<std::uint32_t>(arcs.size() + 1);
        return arcs.size();
      }
      const Arc<W>& there = arcs[slot - 1];
      if (there.nextstate == arc.nextstate && there.ilabel == arc.ilabel && there.olabel == arc.olabel) return slot - 1;
    }
  }

 private:
  static std::size_t hash(const Arc<W>& arc) {
    std::uint64_t h = std::uint64_t(std::uint32_t(arc.ilabel)) * 0x9e3779b97f4a7c15u;
    h = (h ^ std::uint32_t(arc.olabel)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 29) ^ std::uint32_t(arc.nextstate)) * 0x94d049bb133111ebu;
    return h ^ (h >> 32);
  }
  void grow(const Array<Arc<W>>& arcs, std::size_t begin) {
    slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
    for (std::size_t i = begin; i < arcs.size(); ++i) {
      std::size_t at = hash(arcs[i]);
      while (slots_[at & (slots_.size() - 1)] != 0) ++at;
      slots_[at & (slots_.size() - 1)] = static_cast<std::uint32_t>(i + 1);
    }
  }
  std::vector<std::uint32_t> slots_;  // one more than the place of an arc
};

}  // namespace

template <class W>
Fst<W> remove_epsilons(const Fst<W>& fst, const EpsilonOptions& options) {
  const View<W> view = fst.view();
  const auto n = static_cast<StateId>(view.num_states);
  Array<char> kept(view.num_states, !options.connect);
  bool any = false;
  for (StateId s = 0; s < n; ++s) {
    for (const Arc<W>& arc : view.arcs_of(s)) {
      if (is_epsilon(arc)) any = true;
      else kept[arc.nextstate] = 1;
    }
  }
  if (!any) return options.connect ? connect(fst) : fst;
  if (view.start != kNoState) kept[view.start] = 1;
  Array<StateId> number(view.num_states, kNoState);
  StateId states = 0;
  for (StateId s = 0; s < n; ++s) {
    if (kept[s]) number[s] = states++;
  }
  FstBuilder<W> result;
  result.strings = *view.strings;
  result.states.reserve(static_cast<std::size_t>(states));
  Work work("epsilon removal", view, options.bounds);
  check_costs(view, work);
  Closure<W> closure(view, result.strings, options.delta, work);
  ArcTable<W> table;
  for (StateId s = 0; s < n; ++s) {
    if (!kept[s]) continue;
    const State<W>& from = view.states[s];
    result.open(from.final);
    if (!from.iepsilons || !from.oepsilons) {
      const auto arcs = view.arcs_of(s);
      work.steps(arcs.size() + 1);
      for (Arc<W> arc : arcs) {
        arc.nextstate = number[arc.nextstate];
        result.add(arc);
      }
      continue;
    }
    const std::size_t begin = result.arcs.size();
    W final = W::zero();
    const auto& places = closure.of(s);
    for (const auto& place : places) {
      const State<W>& through = view.states[place.state];
      if (!is_zero(W(through.final))) {
        final = plus(final, weight_of(joined(place.sum, W(through.final), result.strings)), result.strings);
      }
      const auto arcs = view.arcs_of(place.state);
      work.steps(arcs.size() + 1);
      for (Arc<W> arc : arcs) {
        if (is_epsilon(arc)) continue;
        arc.weight = weight_of(joined(place.sum, W(arc.weight), result.strings));
        arc.nextstate = number[arc.nextstate];
        const std::size_t at = places.size() == 1 ? result.arcs.size() : table.find(result.arcs, begin, arc);
        if (at == result.arcs.size()) {
          result.add(arc);
        } else {
          result.arcs[at].weight = plus(W(result.arcs[at].weight), W(arc.weight), result.strings);
        }
      }
    }
    result.states.back().final = final;
    work.made(result.states.size(), result.arcs.size());
  }
  if (view.start != kNoState) result.start = number[view.start];
  if (options.connect) connect(result, work);
  return result.finish(kNothingKnown | properties::kNoEpsilons | (options.connect ? properties::kAccessible |
                                                                                         properties::kCoAccessible
                                                                                   : 0));
}

#define SONANT_INSTANTIATE(W) template Fst<W> remove_epsilons(const Fst<W>&, const EpsilonOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"
#include "fst/semiring_division.h"

namespace sonant {

template <class W>
Fst<W> reweight(const Fst<W>& fst, const std::vector<W>& potentials, bool to_final, bool remove_total) {
  const View<W> view = fst.view();
  Work work("reweighting", view);
  if (potentials.size() > view.num_states) {
    work.fail(potentials.size(), " potentials; expected one for each state at most");
  }
  const auto potential = [&](StateId s) {
    return static_cast<std::size_t>(s) < potentials.size() ? potentials[s] : W::zero();
  };
  FstBuilder<W> result;
  result.strings = *view.strings;
  StringsOf<W>& strings = result.strings;
  result.states.reserve(view.num_states + 1);
  result.arcs.reserve(view.num_arcs() + 1);
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    const auto arcs = view.arcs_of(s);
    work.steps(arcs.size() + 1);
    const W here = potential(s), final = view.states[s].final;
    if (is_zero(here)) {  // on no path
      result.copy(view.states[s], arcs, 0);
      continue;
    }
    result.open(to_final ? times(here, final, strings) : divide(final, here, Side::kLeft, strings));
    for (Arc<W> arc : arcs) {
      const W there = potential(arc.nextstate), weight = arc.weight;
      if (!is_zero(there)) {
        arc.weight = to_final ? divide(times(here, weight, strings), there, Side::kRight, strings)
                              : divide(times(weight, there, strings), here, Side::kLeft, strings);
      }
      result.add(arc);
    }
  }
  result.start = view.start;
  if (view.start == kNoState || is_zero(potential(view.start))) return result.finish();
  const W first = potential(view.start);
  if (to_final && remove_total) {
    W total = W::zero();
    for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
      if (!is_zero(potential(s))) total = plus(total, W(result.states[s].final), strings);
    }
    if (!is_zero(total)) {
      for (State<W>& state : result.states) state.final = divide(W(state.final), total, Side::kRight, strings);
    }
  }
  // Towards the start, what is taken from all paths comes before their first arcs; a new state is needed for that
  // where paths come back to the start.
  const W before = to_final ? divide(W::one(), first, Side::kLeft, strings) : first;
  if (is_one(before) || (remove_total && !to_final)) return result.finish();
  if (start_in_cycle(fst)) {
    result.start = result.open();
    result.add({0, 0, before, view.start});
    return result.finish();
  }
  std::size_t at = 0;
  for (StateId s = 0; s < view.start; ++s) at += result.states[s].arcs;
  State<W>& start = result.states[view.start];
  start.final = times(before, W(start.final), strings);
  for (std::size_t i = at; i < at + start.arcs; ++i) {
    result.arcs[i].weight = times(before, W(result.arcs[i].weight), strings);
  }
  return result.finish();
}

template <class W>
Fst<W> push_weights(const Fst<W>& fst, bool to_final, double delta, bool remove_total) {
  DistanceOptions options;
  options.direction = to_final ? Direction::kForward : Direction::kReverse;
  options.delta = delta;
  options.operation = "pushing";
  if constexpr (has_strings<W>) {
    StringsOf<W> strings;  // the automaton's and those of the potentials
    const std::vector<W> potentials = shortest_distance(fst.view(), options, strings);
    const View<W> view = fst.view();
    FstBuilder<W> builder;
    for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
      builder.copy(view.states[s], view.arcs_of(s), 0);
    }
    builder.start = view.start;
    builder.strings = std::move(strings);
    return reweight(builder.finish(fst.stored_properties()), potentials, to_final, remove_total);
  } else {
    StringsOf<W> none;
    return reweight(fst, shortest_distance(fst.view(), options, none), to_final, remove_total);
  }
}

#define SONANT_INSTANTIATE(W)                                                        \
  template Fst<W> reweight(const Fst<W>&, const std::vector<W>&, bool, bool);        \
  template Fst<W> push_weights(const Fst<W>&, bool, double, bool);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include <utility>

#include "fst/builder.h"
#include "fst/labels.h"
#include "fst/structure.h"

namespace sonant {

template <class W>
Fst<W> with_delayed_outputs(FstBuilder<W> staged, Lists& lists, Work& work) {
  FstBuilder<W> result;
  result.strings = std::move(staged.strings);
  if (staged.start == kNoState) return result.finish();
  std::uint32_t begin = 0;
  for (State<W>& state : staged.states) state.begin = std::exchange(begin, begin + state.arcs);
  Numbering numbers;  // (labels to come, state)
  const auto number = [&](Lists::Id rest, StateId s) {
    return static_cast<StateId>(numbers(std::uint64_t(rest) << 32 | std::uint32_t(s)));
  };
  result.start = number(0, staged.start);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto rest = static_cast<Lists::Id>(numbers.key(i) >> 32);
    const auto s = static_cast<StateId>(std::uint32_t(numbers.key(i)));
    work.step();
    const auto finish = [&](const W& final) {
      if (is_zero(final) || rest == 0) {
        result.open(final);
      } else {
        result.open();
        result.add({0, lists.label(rest), final, number(lists.rest(rest), kEnd)});
      }
    };
    if (s == kEnd) {
      finish(W::one());
      continue;
    }
    const State<W>& state = staged.states[s];
    finish(state.final);
    for (std::uint32_t a = state.begin; a < state.begin + state.arcs; ++a) {
      work.step();
      Arc<W> arc = staged.arcs[a];
      const Lists::Id whole = lists.joined(rest, Lists::Id(arc.olabel));
      arc.olabel = whole == 0 ? 0 : lists.label(whole);
      arc.nextstate = number(whole == 0 ? 0 : lists.rest(whole), arc.nextstate);
      result.add(arc);
    }
    work.made(numbers.size(), result.arcs.size());
  }
  return result.finish();
}

namespace {

// What the outputs of all paths to each state end with, as lists from the last label on.
template <class W>
std::vector<Lists::Id> common_endings(const View<W>& fst, Lists& lists, Work& work) {
  const Fst<W> backwards = turned(fst);
  const View<W> arcs = backwards.view();
  std::vector<State<W>> states(arcs.states, arcs.states + arcs.num_states);
  states[fst.start].final = W::one();
  View<W> view = arcs;
  view.states = states.data();
  return common_outputs(view, lists, work);
}

// What all final states have in common at the end of their outputs goes.
template <class W>
Lists::Id common_of_finals(const View<W>& fst, const std::vector<Lists::Id>& ends, Lists& lists) {
  Lists::Id common = 0;
  bool any = false;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (is_zero(fst.states[s].final)) continue;
    common = std::exchange(any, true) ? lists.common(common, ends[s]) : ends[s];
  }
  return common;
}

}  // namespace

template <class W>
Fst<W> push_labels(const Fst<W>& fst, const PushLabelsOptions& options) {
  const Fst<W> connected = connect(fst);
  const View<W> view = connected.view();
  Work work("pushing of labels", options.bounds, sizeof(State<W>) + 16, sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(view.num_states) + " states";
  if (view.start == kNoState) return connected;
  Lists lists;
  const std::vector<Lists::Id> common =
      options.to_final ? common_endings(view, lists, work) : common_outputs(view, lists, work);
  const Lists::Id removed = !options.to_final        ? common[view.start]
                            : options.remove_affix ? common_of_finals(view, common, lists)
                                                   : 0;
  FstBuilder<W> staged;
  staged.strings = *view.strings;
  staged.start = view.start;
  staged.states.reserve(view.num_states + 1);
  staged.arcs.reserve(view.num_arcs() + 1);
  // What is common to all outputs stays on the arcs of the start, or comes before it where paths lead back to it.
  const bool before = !options.to_final && removed && !options.remove_affix && start_in_cycle(connected);
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    const W final = view.states[s].final;
    const bool late = options.to_final && common[s] != removed && !is_zero(final);
    const bool keeps = s == view.start && !before && !options.remove_affix;
    staged.open(late ? W::zero() : final);
    for (Arc<W> arc : view.arcs_of(s)) {
      work.step();
      Lists::Id output = 0;
      if (options.to_final) {
        const Lists::Id whole = lists.prepend(arc.olabel, common[s]);
        output = lists.reversed(lists.without_first(whole, lists.length(common[arc.nextstate])));
      } else {
        output = lists.prepend(arc.olabel, common[arc.nextstate]);
        if (!keeps) output = lists.without_first(output, lists.length(common[s]));
      }
      arc.olabel = Label(output);
      staged.add(arc);
    }
    if (!late) continue;
    staged.add({0, Label(lists.reversed(lists.without_first(common[s], lists.length(removed)))), final, kEnd});
  }
  if (before) {
    staged.start = staged.open();
    staged.add({0, Label(removed), W::one(), view.start});
  }
  return with_delayed_outputs(std::move(staged), lists, work);
}

#define SONANT_INSTANTIATE(W)                                                                               \
  template Fst<W> with_delayed_outputs(FstBuilder<W>, Lists&, Work&);  \
  template Fst<W> push_labels(const Fst<W>&, const PushLabelsOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

// What an algorithm fills state by state: cheaper than an Fst, of which it becomes one in the end.
#pragma once

#include <utility>
#include <vector>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

inline constexpr properties::Bits kNothingKnown = properties::kExpanded | properties::kMutable;

// States are opened in order; arcs go to the one that was opened last.
template <class W>
struct FstBuilder {
  Array<State<W>> states;
  Array<Arc<W>> arcs;
  StringsOf<W> strings;
  StateId start = kNoState;

  StateId open(const W& final = W::zero()) {
    State<W> state;
    state.final = final;
    states.push_back(state);
    return static_cast<StateId>(states.size() - 1);
  }
  void add(const Arc<W>& arc) {
    arcs.push_back(arc);
    ++states.back().arcs;
  }
  // A state of another automaton whose states are numbered from `offset` here.
  void copy(const State<W>& state, std::span<const Arc<W>> from, StateId offset) {
    open(state.final);
    for (Arc<W> arc : from) {
      arc.nextstate += offset;
      add(arc);
    }
  }
  // Where the arcs of each state begin, as a view needs it.
  View<W> view() {
    std::uint32_t begin = 0;
    for (State<W>& state : states) {
      state.begin = begin;
      begin += state.arcs;
    }
    return {states.data(), arcs.data(), states.size(), arcs.size(), start, &strings};
  }
  Fst<W> finish(properties::Bits bits = kNothingKnown) {
    Fst<W> fst;
    fst.adopt(std::move(states), std::move(arcs), std::move(strings), start, bits);
    return fst;
  }
};

// Takes away what leads to no final state; every state must be on a path from the start. The others keep their order.
template <class W>
void drop_dead_ends(FstBuilder<W>& builder, Work& work);

// The same where states may be that the start does not lead to: they go, too.
template <class W>
void connect(FstBuilder<W>& builder, Work& work);

// Appends the strings of another automaton; what must be added to `begin` of its weights.
template <class W>
std::uint32_t append_strings(StringsOf<W>& to, const StringsOf<W>& from) {
  if constexpr (has_strings<W>) {
    const std::size_t shift = to.symbols.size();
    if (shift + from.symbols.size() > kMostSymbols) fst_error("the strings of the two lattices are too long");
    to.symbols.insert(to.symbols.end(), from.symbols.begin(), from.symbols.end());
    return static_cast<std::uint32_t>(shift);
  } else {
    (void)to, (void)from;
    return 0;
  }
}

template <class W>
W shifted(W w, std::uint32_t by) {
  if constexpr (has_strings<W>) {
    if (w.length) w.begin += by;
  }
  (void)by;
  return w;
}

}  // namespace sonant

#include "fst/builder.h"
#include "fst/convert.h"
#include "fst/determinize.h"

namespace sonant {

Fst<LatticeWeight> determinize_lattice(const Fst<LatticeWeight>& fst, float delta, Bounds bounds) {
  bool partial = false;
  return determinize_star(fst, {.delta = delta, .disambiguate = true, .bounds = bounds}, partial);
}

// The result has input epsilons on chains of output labels only. What is left of them in the compact lattice are the
// chains that a final state is owed, each to a last state of its own: they become its final weight.
Fst<CompactWeight> determinize_lattice_compact(const Fst<LatticeWeight>& fst, float delta, Bounds bounds) {
  const Fst<CompactWeight> chains = to_compact(determinize_lattice(fst, delta, bounds).view(), false);
  const View<CompactWeight> view = chains.view();
  std::vector<StateId> number(view.num_states, 0);
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      if (arc.ilabel == 0) number[arc.nextstate] = kNoState;
    }
  }
  StateId count = 0;
  for (StateId& n : number) {
    if (n != kNoState) n = count++;
  }
  FstBuilder<CompactWeight> made;
  made.strings = *view.strings;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    if (number[s] == kNoState) continue;
    made.open(view.states[s].final);
    for (Arc<CompactWeight> arc : view.arcs_of(s)) {
      if (arc.ilabel == 0) {
        made.states.back().final = arc.weight;
      } else {
        arc.nextstate = number[arc.nextstate];
        made.add(arc);
      }
    }
  }
  made.start = view.start == kNoState ? kNoState : number[view.start];
  return made.finish();
}

}  // namespace sonant

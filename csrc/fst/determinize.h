// Determinization by weighted subsets (Mohri, "Finite-state transducers in language and speech processing", Comput.
// Linguist. 23, 1997): a state of the result is a set of states, each with the cost and the output labels that its
// paths are still owed. What all have in common goes on the arc.
//
//   determinize       OpenFst's: epsilon is a label like others, and an arc has one output label at most
//   determinize_star  Kaldi's: input epsilons are removed on the way, and output labels come as soon as they can, on
//                     chains of arcs with input epsilons where there is more than one
//
// The input must be functional: one output for each input. And it must have the twins property (Mohri): where it does
// not, what is owed grows without end. Both end in an FstError with the labels that lead there.
#pragma once

#include "fst/builder.h"

namespace sonant {

struct DeterminizeOptions {
  float delta = kDelta;           // costs that are closer are taken for equal
  bool disambiguate = false;      // keep the best output of each input where there are several
  Label subsequential_label = 0;  // input label of the arcs with output that is owed at the end
  bool allow_partial = false;     // stop at max_states, with what there is
  Bounds bounds;                  // without max_states: 50 times the states and arcs of the input, a million at least
};

template <class W>
Fst<W> determinize(const Fst<W>& fst, const DeterminizeOptions& options);

// `partial`: whether it was stopped at max_states.
template <class W>
Fst<W> determinize_star(Fst<W> fst, const DeterminizeOptions& options, bool& partial);

// Kaldi's DeterminizeLattice: the best path of each string of input labels, its output labels on chains of arcs, or as
// the string of a compact lattice's weight.
Fst<LatticeWeight> determinize_lattice(const Fst<LatticeWeight>& fst, float delta, Bounds bounds);
Fst<CompactWeight> determinize_lattice_compact(const Fst<LatticeWeight>& fst, float delta, Bounds bounds);
// New numbers of the states of its result, of which those from `subsets` on are of chains: the order of Kaldi's.
template <class W>
std::vector<StateId> order_found(const View<W>& fst, StateId subsets);

}  // namespace sonant

// Minimization: states from which the same can be read become one.
//
// An automaton without cycles is taken from its end, each state being looked up among those that are done (Revuz,
// "Minimisation of acyclic deterministic automata in linear time", Theor. Comput. Sci. 92, 1992). One with cycles is
// parted ever finer: what splits off a block is handed to the states before it, the largest part keeping its
// name, so that an arc is looked at a logarithmic number of times (Hopcroft 1971; Paige and Tarjan, SIAM J. Comput.
// 16, 1987, for what is not deterministic, where the result is the coarsest bisimulation). A state is known by a sum of
// hashes of its arcs, which is kept up to date arc by arc; the result is compared exactly in the end.
#pragma once

#include "fst/work.h"

namespace sonant {

// Costs are pushed towards the start (Mohri, "Minimization algorithms for sequential transducers", Theor. Comput. Sci.
// 234, 2000), as are output labels of transducers, and are rounded to multiples of `delta`. Arcs that come to have
// several output labels become chains. Throws FstError where the automaton is not deterministic by its input
// labels, unless `allow_nondeterministic`.
template <class W>
Fst<W> minimize(const Fst<W>& fst, float delta, bool allow_nondeterministic);

// Kaldi's: labels and costs stay on their arcs, whatever automaton it is.
template <class W>
Fst<W> minimize_encoded(const Fst<W>& fst, float delta);

// The coarsest bisimulation: for each state a number of its block, counted from 0 as they come, such that the states of a
// block have the same final cost and the same labels and costs on arcs to the same blocks, each the same number of times.
// Costs are compared as multiples of `delta`. For TropicalWeight.
template <class W>
Array<StateId> bisimilar_states(const View<W>& fst, float delta, Work& work);

}  // namespace sonant

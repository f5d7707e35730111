// One path for each input string, with the weight of all of its paths.
//
// Of the paths with one input string the least one stays, by the order of arcs at the first state where two part. A
// state of the result is a state, reached by a path, and the states that other paths with the same input lead to:
// those alone from which both can be finished alike (their "common future", Mohri and Riley, "On the disambiguation
// of weighted automata", CIAA 2015), each with what these paths cost more and with whether one of them is less. At
// the end the path counts only where no lesser one ends too, and then its cost is that of all.
//
// An automaton that is unambiguous stays as it is; others need weak twins (ib.): states that are reached alike and
// have a common future must not part ever further in cost.
#pragma once

#include "fst/work.h"

namespace sonant {

struct DisambiguateOptions {
  float delta = kDelta;  // costs that are closer are taken for equal
  Bounds bounds;         // without max_states: 50 times the states and arcs of the input, a million at least
};

// Epsilon is a label like others. FstError, with the states that it fails at, where a transducer is not functional.
template <class W>
Fst<W> disambiguate(const Fst<W>& fst, const DisambiguateOptions& options);

}  // namespace sonant

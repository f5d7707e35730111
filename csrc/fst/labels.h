// What moves labels along the paths of an automaton; the weighted relation stays.
//
// Where an arc comes to have several output labels the first stays and the others go on to the next arcs: states of the
// result are pairs of a state and the labels that are still to come. At the end they stand on arcs with input epsilons.
#pragma once

#include "fst/builder.h"
#include "fst/work.h"
#include "fst/label_lists.h"

namespace sonant {

// Output labels towards the start, each state's outputs having nothing in common at their beginning then; or towards
// the final states, what leads to a state having nothing in common at its end (Mohri, "Minimization algorithms for
// sequential transducers", Theor. Comput. Sci. 234, 2000). What all paths have in common comes to the start, or the
// end, or goes where `remove_affix`.
struct PushLabelsOptions {
  bool to_final = false, remove_affix = false;
  Bounds bounds;
};
template <class W>
Fst<W> push_labels(const Fst<W>& fst, const PushLabelsOptions& options);

// On each path input and output labels stand beside each other until one of the sides is at its end (Mohri,
// "Edit-distance of weighted automata", IJFCS 14, 2003). A state of the result is a state and the labels that one
// side is ahead. FstError where a cycle has more labels on one side than on the other: its delay would grow without
// end.
template <class W>
Fst<W> synchronize(const Fst<W>& fst, Bounds bounds);

// On each path arcs with an input epsilon come last, and none has epsilon on both sides (Mohri, "Generic
// epsilon-removal and input epsilon-normalization algorithms for weighted transducers", IJFCS 13, 2002). FstError where
// a cycle has more output labels than input labels.
template <class W>
Fst<W> normalize_input_epsilons(const Fst<W>& fst, Bounds bounds);

// What `staged` holds, whose output labels are numbers of lists, with one label an arc. kEnd as a destination is the
// end of a path.
inline constexpr StateId kEnd = -1;
template <class W>
Fst<W> with_delayed_outputs(FstBuilder<W> staged, Lists& lists, Work& work);

}  // namespace sonant

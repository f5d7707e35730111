// Removal of epsilon arcs.
#pragma once

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

struct EpsilonOptions {
  bool connect = true;  // states that only epsilons lead to go, and all that is then on no path
  double delta = kDelta;
  Bounds bounds;
};

// Without arcs that have epsilon on both sides; the weighted relation stays (Mohri, "Generic epsilon-removal and input
// epsilon-normalization algorithms for weighted transducers", IJFCS 13, 2002). The result can have many more arcs.
template <class W>
Fst<W> remove_epsilons(const Fst<W>& fst, const EpsilonOptions& options);

// Removes what epsilons it can by joining two arcs to one so that the automaton never grows: an arc and those after
// it where it alone leads there, and arcs and the only one after them. Either may have the epsilon, on either side,
// so a->eps, eps->b becomes a->b; the relation stays, and the order of arcs is that of Kaldi's RemoveEpsLocal. Where
// some of what leaves a state moves, the best of the rest is as good as the best of all was; with `keep_sums` of
// single costs what leaves a state sums to the same probability as before (Kaldi's RemoveEpsLocalSpecial).
template <class W>
Fst<W> remove_epsilons_locally(Fst<W> fst, bool keep_sums = false);

}  // namespace sonant

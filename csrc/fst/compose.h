// Composition: the relation of one automaton followed by that of the other.
//
// A state of the result is a pair of states with a state of the filter, which lets exactly one of the paths through
// that differ only in the order of their epsilons (Allauzen and Mohri, "Filters for efficient composition of
// weighted finite-state transducers", CIAA 2010). The labels where the two meet are looked up in the side that is
// sorted by them; where both are, in that of the state with more arcs. States whose labels are dense get a table
// with one entry for each label when they are met again, as in Kaldi's table matcher.
#pragma once

#include "fst/builder.h"

namespace sonant {

enum class ComposeFilter { kAuto, kNull, kTrivial, kSequence, kAltSequence, kMatch, kNoMatch };

// What a label on the input side of the right automaton stands for (Allauzen, Riley and others, OpenFst's matchers):
//   kPhi    failure: taken, for nothing, where the label that is asked for is not there
//   kRho    the rest: any label that is not there
//   kSigma  any label, beside those that are there
enum class Special { kNone, kPhi, kRho, kSigma };

struct ComposeOptions {
  ComposeFilter filter = ComposeFilter::kAuto;
  bool connect = true;
  Special special = Special::kNone;
  Label special_label = -1;
  Bounds bounds;
};

// Throws FstError where neither side is sorted by the labels in the middle (with a special label: the right side).
template <class W>
Fst<W> compose(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options);

// Paths that both acceptors have. Throws FstError where one is no acceptor.
template <class W>
Fst<W> intersect(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options);

// Paths of `left` whose output `right` does not accept. `right` must be an unweighted, deterministic acceptor
// without epsilons: FstError where it is not.
template <class W>
Fst<W> difference(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options);

}  // namespace sonant

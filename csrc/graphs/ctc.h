// T o LG for a CTC topology T, without T.
//
// The topologies are those of src/sonant/fst/graphs/ctc.py. T has an arc for each pair of tokens, and most of them
// find no partner in LG; here the state of T is what it remembers, the last token. A state of the result is
// (state of LG, last token or none, whether LG has moved by an epsilon since a token was written): by Allauzen and
// Mohri's sequencing filter ("Filters for efficient composition of weighted finite-state transducers", 2010) frames
// that write nothing come before epsilons of LG, so that paths which differ in their order only come once.
#pragma once

#include <span>

#include "fst/work.h"
#include "fst/semiring.h"

namespace sonant {

enum class CtcTopology { kStandard, kCompact, kMinimal };

struct CtcOptions {
  CtcTopology topology = CtcTopology::kStandard;
  bool self_loops = true;  // a token may last for several frames
  Bounds bounds;
};

// `labels`: of the tokens, the first being that of the blank. Arcs of LG with other labels go. Sorted by input label.
Fst<TropicalWeight> compose_ctc(const Fst<TropicalWeight>& lg, std::span<const Label> labels,
                                const CtcOptions& options);

}  // namespace sonant

// Lattices with the costs of language models (csrc/lattice/compose_pruned.cpp).
#pragma once

#include "lattice/lattice.h"
#include "lm/on_demand.h"

namespace sonant {

struct PrunedComposeOptions {
  float beam = 6;         // around the best path of the result
  int max_arcs = 100000;  // of the result, once it has a path
  int initial_arcs = 100;  // costs are computed anew after so many, then each time that it grows by the ratio
  float growth = 1.5F;
  int ahead = 64;  // states of a model that works on many at once, which it is told of together
  Bounds bounds;
};

// The part of the composition within the beam of its best path, by what is expected of arcs; sorted, without dead ends.
// Costs of the model become graph costs. FstError for a cycle, and for costs that are no numbers.
CompactLattice compose_pruned(const CompactLattice& lattice, OnDemand& model, const PrunedComposeOptions& options);

}  // namespace sonant

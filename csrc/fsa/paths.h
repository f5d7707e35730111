// The n best paths of acyclic automata, exactly.
#pragma once

#include <cstdint>
#include <vector>

#include "fsa/scores.h"

namespace sonant {

// Of all automata: how many paths each has (at most `count`), the best first; how many arcs each path has; the arcs.
struct FsaBestPaths {
  std::vector<std::int32_t> paths, sizes, arcs;
};

// Best-first search from the start with the best score to the end as its estimate, which is exact: partial paths come off
// the queue in the order of the best paths that they begin, so that the n-th that ends is the n-th best. One state is
// left by `count` partial paths at most. Of equal paths those that were begun first come first.
template <class T>
FsaBestPaths fsa_shortest_paths(const FsaGraphs& graphs, const T* scores, std::int32_t count);

}  // namespace sonant

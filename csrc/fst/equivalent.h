// Whether two automata have the same paths with the same costs.
#pragma once

#include "fst/work.h"

namespace sonant {

// Exact, for deterministic acceptors without epsilons: states are joined that must be equal up to a cost (Hopcroft and
// Karp, "A linear algorithm for testing equivalence of finite automata", 1971, with the difference of costs kept along
// the trees of their union-find). Throws FstError where one is no such acceptor.
template <class W>
bool equivalent(const Fst<W>& a, const Fst<W>& b, float delta);

struct RandomOptions {
  std::uint64_t paths = 1, seed = 0;
  float delta = kDelta;
  std::uint64_t max_length = 0x7fffffff;
  bool by_weight = false;  // arcs of a state, and its end, are as likely as their costs say, not all alike
};

// Draws paths of both in turn, and compares what both say of all paths with the
// same labels. True where no difference was found.
template <class W>
bool random_equivalent(const Fst<W>& a, const Fst<W>& b, const RandomOptions& options);

}  // namespace sonant

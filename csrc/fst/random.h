// Random paths, and comparing automata.
#pragma once

#include <cstdint>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

enum class ArcSelection {
  kUniform,  // each arc of a state, and its being final, is as likely
  kLogProb,  // as likely as its weight says
};

struct RandomOptions {
  std::size_t count = 1;
  std::uint64_t seed = 0;
  ArcSelection selection = ArcSelection::kUniform;
  std::int64_t max_length = 0x7fffffff;  // a longer path is given up
  bool weighted = false;      // paths that are alike become one, with the cost of how often it came
  bool remove_total = false;  // then the costs are counts over all
};

// Random successful paths side by side, without weights unless `weighted`.
template <class W>
Fst<W> random_paths(const Fst<W>& fst, const RandomOptions& options);

// Whether one automaton is the other with its states numbered, and its arcs ordered, in another way. FstError where
// too many arcs with the same labels and weights leave too much to try.
template <class W>
bool isomorphic(const View<W>& a, const View<W>& b, float delta);

}  // namespace sonant

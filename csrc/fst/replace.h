// Recursive transition networks: automata that call each other.
//
// An arc whose output label names an automaton calls it: the path goes through that one and comes back behind the arc.
// A state of the result is a state of one of the automata and the stack of states to come back to (Allauzen, Riley,
// Schalkwyk, Skut and Mohri, "OpenFst", CIAA 2007); they are numbered as OpenFst numbers them.
#pragma once

#include "fst/work.h"

namespace sonant {

struct ReplaceOptions {
  // Whether calls keep the labels of their arcs, and returns have `return_label`; epsilon where they do not.
  bool call_input = true, call_output = false, return_input = false, return_output = false;
  Label return_label = 0;
  // What is called from deeper is left out; 0: an automaton must not call itself, through others or not, and where one
  // does it is an FstError.
  std::uint32_t max_depth = 0;
  Bounds bounds;
};

template <class W>
struct Callable {
  Label name;
  Fst<W> fst;
};
// FstError where a name comes twice or is not positive, and where there is no `root`.
template <class W>
Fst<W> replace(const std::vector<Callable<W>>& automata, Label root, const ReplaceOptions& options);

}  // namespace sonant

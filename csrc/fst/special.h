// What Kaldi adds to the usual operations on automata with tropical costs; each in a file of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

using StdFst = Fst<TropicalWeight>;

// Potentials that make all states sum to the same probability, whether paths have a finite sum or not: the
// dominant eigenvector of the matrix of probabilities, in which a final state leads back to the start (Hannemann and
// Povey, "Combining forward and backward search in decoding", ICASSP 2013). `spread` is the greatest difference
// between the sums of two states, in the log domain, after at most 2000 iterations: below `delta` where it converged.
// Automata without cycles, of which long ones do not, are then done exactly. FstError where a state leads to no final
// one, or where there are cycles and probabilities too far apart for doubles.
struct PushedSpecial {
  StdFst fst;
  double spread = 0;
  int iterations = 0;
};
PushedSpecial push_special(const StdFst& fst, double delta);

// A state without final cost takes that of the state its arc with the input label `phi` leads to, and the arc's.
StdFst propagate_final(const StdFst& fst, Label phi);

// Splits states (`Preceding`) and arcs (`Following`) with epsilons so that all arcs that come to a state, or leave
// it, have one input label.
StdFst make_preceding_input_symbols_same(const StdFst& fst, bool start_is_epsilon);
StdFst make_following_input_symbols_same(const StdFst& fst, bool end_is_epsilon);

// Without arcs that no best path needs: of those with one input label between two states the best one stays, and
// input epsilons from a state to itself go.
StdFst remove_useless_arcs(const StdFst& fst);

// A random path with exactly `length` input labels: a walk without self-loops, and then as many rounds of the loops
// on its way as are missing, shared out evenly (training's first alignment). Random numbers are those of glibc's
// rand() after srand(seed), as in Kaldi on Linux. FstError where `retries` walks were all too long, or the walk has
// no loop to become longer with.
StdFst equal_align(const StdFst& fst, std::int64_t length, std::uint32_t seed, int retries);

// Adds input labels from `first_new` on so that determinization keeps the states of the input apart: no state comes
// into two subsets, and the result is no bigger than the input. Their number comes in `added`. FstError where the
// automaton is not connected.
template <class W>
Fst<W> predeterminize(const Fst<W>& fst, Label first_new, Label& added);

}  // namespace sonant

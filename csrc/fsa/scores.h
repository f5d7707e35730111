// Forward and backward scores of batches of acyclic automata (k2's conventions), and their gradients.
//
// An arc has a score, and a path the sum of its arcs' scores. The forward score of a state is the log of the sum of
// exp over all paths from the start to it, or the best of them; the backward score is the same of the paths from it to
// the final state. Arcs lead to higher states, so that one pass in the order of states does: each state pushes its
// score along its arcs, and a sum of exponentials is kept with its largest term taken out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sonant {

// A batch as flat arrays: four integers an arc (source, destination, label, score bits; states counted within their
// automaton), where each state's arcs begin, and where each automaton's states begin.
struct FsaGraphs {
  std::span<const std::int32_t> arcs, state_splits, fsa_splits;

  std::size_t fsas() const { return fsa_splits.size() - 1; }
  std::size_t states() const { return state_splits.size() - 1; }
  // Throw FstError, in the name of `operation`, where splits, states or labels cannot be; where an arc does not lead to a
  // higher state; and where splits cannot be.
  void check(const char* operation) const;
  void check_acyclic(const char* operation) const;
  void check_splits(const char* operation) const;
};

// For each function: all arrays are of all automata, one after the other; `best` holds for each state the arc that its
// score is from, -1 where there is none, and is used in the tropical semiring only. Scores of arcs are S, those of states
// T, which may be the more precise one, and in which all is computed. Automata are shared out to threads (0: all of the
// hardware's). Throws FstError, in the name of `operation`, where an arc does not lead to a higher state.

template <class S, class T>
void fsa_forward(const FsaGraphs& graphs, const char* operation, const S* scores, bool log, T* forward,
                 std::int32_t* best, int threads);
template <class S, class T>
void fsa_backward(const FsaGraphs& graphs, const char* operation, const S* scores, bool log, T* backward,
                  std::int32_t* best, int threads);

// The arcs of the path into each automaton's final state, by the `best` of fsa_forward, one path after the other, and
// how many each has: none where nothing leads there.
struct FsaPaths {
  std::vector<std::int32_t> arcs, sizes;
};
FsaPaths fsa_best_paths(const FsaGraphs& graphs, const std::int32_t* best);

// Gradients of a sum over states with the given slopes, with respect to the score of each arc.
template <class S, class T>
void fsa_forward_gradient(const FsaGraphs& graphs, const S* scores, bool log, const T* forward,
                          const std::int32_t* best, const T* slopes, S* gradient, int threads);
template <class S, class T>
void fsa_backward_gradient(const FsaGraphs& graphs, const S* scores, bool log, const T* backward,
                           const std::int32_t* best, const T* slopes, S* gradient, int threads);

// Of each arc: what is before the state that it leaves, its score, and what is after the state that it leads to.
template <class S, class T>
void fsa_through_arcs(const FsaGraphs& graphs, const S* scores, const T* before, const T* after, T* through,
                      int threads);
// The gradients of that, of arcs' scores and of both sides' states.
template <class S, class T>
void fsa_through_arcs_gradient(const FsaGraphs& graphs, const T* slopes, S* scores, T* before, T* after, int threads);

}  // namespace sonant

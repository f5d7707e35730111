// Total scores of automata over the frames of a network's output, and the posteriors of labels and arcs, without a
// lattice: the forward-backward of CTC and of the numerator and denominator of LF-MMI (Povey et al. 2016).
//
// An automaton (k2's conventions: state 0 is the start, arcs labelled -1 lead to the final state) takes one frame with each
// arc, whose score is its own and the frame's for its label; an arc labelled -1 ends the path after the last frame. The
// total is the log of the sum of exp over all paths. It is computed in the log domain, each frame's states relative to
// the best of them, so that single precision does for any number of frames and scores of any range.
//
// Where one automaton has many sequences (a denominator), they go through it side by side, one in each SIMD lane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fsa/scores.h"

namespace sonant {

template <class T>
struct FsaFrames {
  const T* scores;
  std::size_t rows, columns;
  std::int32_t column;  // of label 0
  // The sequences: first row, rows, automaton.
  std::span<const std::int32_t> first, frames, graph_of;

  std::size_t sequences() const { return graph_of.size(); }
};

// The leaky HMM: before each frame and after the last one, any state may go to any state s with the score
// coefficient + occupancy[s] (logs; of all automata's states, -inf where it is not to go), or stay. None by default.
template <class T>
struct FsaLeak {
  T coefficient{};
  const T* occupancy = nullptr;
};

// What is wanted beside the totals: posteriors by scores (rows x columns, zeros at first), and by arc: of each sequence as
// many as its automaton has arcs, one sequence after the other (zeros at first). Null: not wanted.
template <class T>
struct FsaPosteriors {
  T* scores = nullptr;
  T* arcs = nullptr;
  bool wanted() const { return scores || arcs; }
};

// totals (sequences): -inf where there is no path. `graphs` have been checked. Throws FstError, in the name of
// `operation`, for labels, rows and scores that cannot be (NaN, +inf), which it names.
template <class T>
void fsa_frame_totals(const FsaGraphs& graphs, const T* arc_scores, const FsaFrames<T>& frames, const FsaLeak<T>& leak,
                      const char* operation, double* totals, const FsaPosteriors<T>& posteriors, int threads);

}  // namespace sonant

// The transducer's sum over alignments (Graves 2012), and what part of it goes through each cell.
//
// A cell (t, u) stands for "t frames are over, u tokens are said". blank(t, u) leads to (t + 1, u), emit(t, u) to
// (t, u + 1), or to (t + 1, u + 1) where a token takes its frame ("modified", Variani et al. 2020's and icefall's word).
// The total is the log of the sum over all ways from (0, 0) to (frames, tokens), in double precision and the log domain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sonant {

// Values by recording, frame and token, at any strides (in elements).
template <class T>
struct TransducerScores {
  T* values;
  std::ptrdiff_t recording, frame, token;
  std::int64_t rows, columns;  // what there is room for, of each recording

  T& at(std::size_t b, std::int64_t t, std::int64_t u) const {
    return values[std::ptrdiff_t(b) * recording + t * frame + u * token];
  }
};

template <class T>
struct TransducerLattices {
  TransducerScores<const T> blank;  // rows >= frames, columns > tokens
  // rows >= frames, columns >= tokens. One more row than blanks have: what is said after the last frame.
  TransducerScores<const T> emit;
  std::span<const std::int64_t> frames, tokens;
  bool diagonal;  // a token takes its frame
};

// totals: -inf where there is no way. Occupancies, of the shapes of the scores, are what share of the total goes through
// each arc: the gradient. They are 0 beyond a recording's lengths and where there is no way; both null: not wanted.
template <class T>
void transducer_totals(const TransducerLattices<T>& lattices, double* totals, const TransducerScores<T>* blank_occupancy,
                       const TransducerScores<T>* emit_occupancy, int threads);

}  // namespace sonant

// Between frames in memory, one after another, and frames in the lanes of vectors.
#pragma once

#include <cstddef>
#include <utility>

#include "lanes.h"

namespace sonant {

// One step of a transposition: of rows that are `kStep` apart, swaps the blocks of that size that are off the diagonal.
template <int W, int kStep, std::size_t... kColumn>
SONANT_INLINE void swap_blocks(LanesF<W>* rows, std::index_sequence<kColumn...>) {
  for (int i = 0; i < W; ++i) {
    if (i & kStep) continue;
    const LanesF<W> a = rows[i], b = rows[i + kStep];
    rows[i] = __builtin_shufflevector(a, b, (int(kColumn) & kStep ? W + int(kColumn) - kStep : int(kColumn))...);
    rows[i + kStep] =
        __builtin_shufflevector(a, b, (int(kColumn) & kStep ? W + int(kColumn) : int(kColumn) + kStep)...);
  }
}

// W vectors as the rows of a matrix, transposed in place: from W samples of each of W frames to W frames of each of W
// samples, and back.
template <int W>
SONANT_INLINE void transpose(LanesF<W>* rows) {
  constexpr auto columns = std::make_index_sequence<W>();
  swap_blocks<W, 1>(rows, columns);
  swap_blocks<W, 2>(rows, columns);
  if constexpr (W > 4) swap_blocks<W, 4>(rows, columns);
  if constexpr (W > 8) swap_blocks<W, 8>(rows, columns);
}

// W floats that need not be aligned.
template <int W>
SONANT_INLINE LanesF<W> load(const float* from) {
  LanesF<W> x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}

template <int W>
SONANT_INLINE void store(const LanesF<W>& x, float* to) {
  __builtin_memcpy(to, &x, sizeof(x));
}

}  // namespace sonant

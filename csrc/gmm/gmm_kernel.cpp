#include "gmm/gmm_kernel.h"

#include <algorithm>
#include <limits>

#include "lanes.h"

namespace sonant {

namespace {

constexpr float kMinLogDifference = -15.942385f;  // log of float's epsilon: a smaller term does not change a sum

SONANT_INLINE void pack_frames(const float* features, int dim, int count, int width, float* to) {
  for (int frame = 0; frame < width; ++frame) {
    const float* from = features + std::ptrdiff_t(std::min(frame, count - 1)) * dim;
    for (int i = 0; i < dim; ++i) {
      to[std::ptrdiff_t(i) * width + frame] = from[i];
      to[std::ptrdiff_t(dim + i) * width + frame] = from[i] * from[i];
    }
  }
}

// V vectors of frames under kGmmRows Gaussians at a time, all of whose sums stay in registers.
template <int W, int V>
SONANT_INLINE void block_rows(const float* pack, int dim, const float* parameters, const float* gconsts,
                              std::int64_t blocks, float* out) {
  using F = LanesF<W>;
  for (std::int64_t block = 0; block < blocks; ++block) {
    F sums[kGmmRows][V];
#pragma GCC unroll 8
    for (int row = 0; row < kGmmRows; ++row) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[row][v] = broadcast<W>(gconsts[row]);
    }
    const F* x = reinterpret_cast<const F*>(pack);
    for (int i = 0; i < 2 * dim; ++i) {
      F frames[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) frames[v] = x[v];
#pragma GCC unroll 8
      for (int row = 0; row < kGmmRows; ++row) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sums[row][v] += frames[v] * parameters[row];
      }
      x += V;
      parameters += kGmmRows;
    }
    F* to = reinterpret_cast<F*>(out);
#pragma GCC unroll 8
    for (int row = 0; row < kGmmRows; ++row) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) to[row * V + v] = sums[row][v];
    }
    gconsts += kGmmRows;
    out += kGmmRows * V * W;
  }
}

template <int W, int V>
SONANT_INLINE void sum_mixtures(const float* log_likelihoods, const std::int64_t* ends, std::int64_t first,
                                std::int64_t mixtures, float prune, float* out) {
  using F = LanesF<W>;
  const F* x = reinterpret_cast<const F*>(log_likelihoods);
  F* to = reinterpret_cast<F*>(out);
  const float range = prune > 0 ? std::max(-prune, kMinLogDifference) : kMinLogDifference;
  for (std::int64_t m = 0; m < mixtures; ++m) {
    const std::int64_t count = ends[m] - first;
    for (int v = 0; v < V; ++v) {
      F best = x[v];
      for (std::int64_t i = 1; i < count; ++i) {
        const F& y = x[i * V + v];
        best = y > best ? y : best;
      }
      F sum{};
      if (count > 1) {
        const F cutoff = best + range;
        for (std::int64_t i = 0; i < count; ++i) {
          const F& y = x[i * V + v];
          sum += y >= cutoff ? exponential<W>(y - best) : F{};
        }
        best += logarithm<W>(sum);
      }
      to[m * V + v] = best;
    }
    x += count * V;
    first = ends[m];
  }
}

// The same source compiled once per instruction set; a pack has V vectors of frames, or one.
// Vectors side by side that the registers hold: 16 of them, and 32 with the widest.
template <int W>
inline constexpr int kVectors = W == 16 ? 4 : 2;

#define SONANT_GMM_KERNEL(W, TARGET)                                                                                \
  TARGET void pack_##W(const float* features, int dim, int count, int width, float* to) {                           \
    pack_frames(features, dim, count, width, to);                                                                   \
  }                                                                                                                 \
  TARGET void gaussians_##W(const float* pack, int dim, int width, const float* parameters, const float* gconsts,   \
                            std::int64_t blocks, float* out) {                                                      \
    if (width == W) {                                                                                               \
      block_rows<W, 1>(pack, dim, parameters, gconsts, blocks, out);                                                \
    } else {                                                                                                        \
      block_rows<W, kVectors<W>>(pack, dim, parameters, gconsts, blocks, out);                                      \
    }                                                                                                               \
  }                                                                                                                 \
  TARGET void mixtures_##W(const float* log_likelihoods, int width, const std::int64_t* ends, std::int64_t first,   \
                           std::int64_t mixtures, float prune, float* out) {                                        \
    if (width == W) {                                                                                               \
      sum_mixtures<W, 1>(log_likelihoods, ends, first, mixtures, prune, out);                                       \
    } else {                                                                                                        \
      sum_mixtures<W, kVectors<W>>(log_likelihoods, ends, first, mixtures, prune, out);                             \
    }                                                                                                               \
  }                                                                                                                 \
  constexpr GmmKernel kernel_##W{W, kVectors<W>, pack_##W, gaussians_##W, mixtures_##W};

SONANT_EACH_WIDTH(SONANT_GMM_KERNEL)

}  // namespace

const GmmKernel* gmm_kernel(int lanes) {
  return SONANT_CHOOSE_KERNEL(lanes, kernel_);
}

}  // namespace sonant

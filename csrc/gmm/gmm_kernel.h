// The loops over one pack of frames and one chunk of Gaussians, compiled for each instruction set.
#pragma once

#include <cstdint>

namespace sonant {

// Gaussians are computed kGmmRows at a time: the parameters of a block lie [2 dim][kGmmRows].
constexpr int kGmmRows = 6;

// Consecutive mixtures whose parameters stay in the cache while frames go by.
struct GmmChunk {
  std::int64_t first_mixture, mixtures;
  std::int64_t first_gaussian, gaussians;
  std::int64_t first_row;  // of the padded rows of parameters and constants: a multiple of kGmmRows
};

struct GmmKernel {
  int lanes;
  int vectors;  // of frames in a pack: a pack is lanes * vectors frames, or lanes frames where no more are left

  // Puts `count` frames, [x, x^2] by dimension, side by side: `to` is [2 dim][width], the last frame repeated.
  void (*pack)(const float* features, int dim, int count, int width, float* to);
  // `out` [gaussians, padded][width] of a pack [2 dim][width] under `blocks` blocks of Gaussians.
  void (*gaussians)(const float* pack, int dim, int width, const float* parameters, const float* gconsts,
                    std::int64_t blocks, float* out);
  // `out` [mixtures][width]: log-sum-exp over the Gaussians of each mixture. `ends` counts from `first`.
  void (*mixtures)(const float* log_likelihoods, int width, const std::int64_t* ends, std::int64_t first,
                   std::int64_t mixtures, float prune, float* out);
};

// The kernel of `lanes` frames (0: the widest that this processor has); nullptr if there is none.
const GmmKernel* gmm_kernel(int lanes);

}  // namespace sonant

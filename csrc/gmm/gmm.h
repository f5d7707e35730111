// Mixtures of Gaussians with diagonal covariances: log-likelihoods of many frames under many mixtures.
//
// With gconst = log weight - (dim log 2 pi - sum log inv_var + sum mean^2 inv_var) / 2, the log-likelihood of a Gaussian,
// its weight included, is gconst + x . (mean inv_var) - x^2 . inv_var / 2: a product of the frames [x, x^2] with the
// parameters. That of a mixture is the log of the sum of its Gaussians' likelihoods.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gmm/gmm_kernel.h"

namespace sonant {

// Kaldi's constants, in Kaldi's order of operations: float sums of double terms. Those that are infinite become minus
// infinity and are counted. `gconsts` gets NaN where a parameter is not a number.
int diag_gconsts(std::span<const float> weights, const float* means_invvars, const float* inv_vars, int dim,
                 float* gconsts);

// Immutable; threads may share it.
class DiagGmms {
 public:
  // Gaussians in rows of `dim`; `ends`: behind the last Gaussian of each mixture, rising, each mixture having at least
  // one. `lanes` picks a kernel (0: the widest that this processor has); throws std::invalid_argument for one that is
  // not there.
  DiagGmms(int dim, std::span<const float> gconsts, const float* means_invvars, const float* inv_vars,
           std::span<const std::int64_t> ends, int lanes);

  int dim() const { return dim_; }
  int lanes() const { return kernel_->lanes; }
  std::int64_t num_gaussians() const { return ends_.empty() ? 0 : ends_.back(); }
  std::int64_t num_mixtures() const { return std::int64_t(ends_.size()); }

  // `features` (frames, dim), `out` (frames, mixtures). Gaussians whose log-likelihood is more than `prune` (if above 0)
  // or than float's precision below that of the best one do not count, as in Kaldi. Returns the index in `out` of the
  // first value that is not finite, -1 if there is none.
  std::int64_t log_likelihoods(const float* features, std::int64_t frames, float prune, int threads, float* out) const;

  // `out` (frames, gaussians): of each Gaussian alone.
  void component_log_likelihoods(const float* features, std::int64_t frames, int threads, float* out) const;

 private:
  template <typename Chunk>
  void run(const float* features, std::int64_t frames, int threads, Chunk chunk) const;

  int dim_;
  const GmmKernel* kernel_;
  std::vector<std::int64_t> ends_;
  std::vector<GmmChunk> chunks_;
  std::vector<float> parameters_, gconsts_;
};

}  // namespace sonant

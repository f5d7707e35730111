#include "gmm/gmm.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>

#include "pool.h"

namespace sonant {

namespace {

constexpr double kLog2Pi = 1.8378770664093454835606594728112;
constexpr std::int64_t kChunkGaussians = 192;  // with 40 dimensions 60 kB: half of a small second-level cache
constexpr std::int64_t kTaskFrames = 2048;     // of which the packs are made at once

// Floats at an address that any vector may be loaded from.
class AlignedFloats {
 public:
  explicit AlignedFloats(std::size_t count)
      : data_(static_cast<float*>(::operator new[](std::max<std::size_t>(count, 1) * sizeof(float), kAlignment))) {}
  ~AlignedFloats() { ::operator delete[](data_, kAlignment); }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;
  float* get() const { return data_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  float* data_;
};

std::int64_t padded(std::int64_t gaussians) { return (gaussians + kGmmRows - 1) / kGmmRows * kGmmRows; }

// Rows of frames from [columns][width]; rows are `stride` apart.
void transpose(const float* from, int width, std::int64_t columns, int frames, float* to, std::int64_t stride) {
  for (int frame = 0; frame < frames; ++frame) {
    float* row = to + frame * stride;
    for (std::int64_t c = 0; c < columns; ++c) row[c] = from[c * width + frame];
  }
}

}  // namespace

int diag_gconsts(std::span<const float> weights, const float* means_invvars, const float* inv_vars, int dim,
                 float* gconsts) {
  const float offset = float(-0.5 * kLog2Pi * dim);
  int bad = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float* m = means_invvars + i * dim;
    const float* v = inv_vars + i * dim;
    float sum = std::log(weights[i]) + offset;
    for (int d = 0; d < dim; ++d) {
      sum = float(sum + (0.5 * std::log(v[d]) - 0.5 * m[d] * m[d] / v[d]));
    }
    if (std::isinf(sum)) {
      ++bad;
      sum = -std::numeric_limits<float>::infinity();
    }
    gconsts[i] = sum;
  }
  return bad;
}

DiagGmms::DiagGmms(int dim, std::span<const float> gconsts, const float* means_invvars, const float* inv_vars,
                   std::span<const std::int64_t> ends, int lanes)
    : dim_(dim), kernel_(gmm_kernel(lanes)), ends_(ends.begin(), ends.end()) {
  if (!kernel_) throw std::invalid_argument("no kernel has that many lanes on this processor; expected 0, 4, 8 or 16");
  std::int64_t end = 0, rows = 0;
  for (std::int64_t m = 0; m < num_mixtures(); ++m) {
    const std::int64_t count = ends_[m] - end;
    if (count < 1) throw std::invalid_argument("a mixture without a Gaussian; expected ends that rise from above 0");
    if (chunks_.empty() || chunks_.back().gaussians + count > kChunkGaussians) {
      if (!chunks_.empty()) rows += padded(chunks_.back().gaussians);
      chunks_.push_back({m, 0, end, 0, rows});
    }
    ++chunks_.back().mixtures;
    chunks_.back().gaussians += count;
    end = ends_[m];
  }
  if (end != std::int64_t(gconsts.size())) throw std::invalid_argument("the last end is not the number of Gaussians");
  if (!chunks_.empty()) rows += padded(chunks_.back().gaussians);
  parameters_.resize(std::size_t(rows) * 2 * dim);
  gconsts_.resize(std::size_t(rows));
  for (const GmmChunk& chunk : chunks_) {
    for (std::int64_t i = 0; i < chunk.gaussians; ++i) {
      const std::int64_t row = chunk.first_row + i, from = (chunk.first_gaussian + i) * dim;
      float* to = parameters_.data() + row / kGmmRows * kGmmRows * 2 * dim + row % kGmmRows;
      gconsts_[row] = gconsts[chunk.first_gaussian + i];
      for (int d = 0; d < dim; ++d) {
        to[std::int64_t(d) * kGmmRows] = means_invvars[from + d];
        to[std::int64_t(dim + d) * kGmmRows] = -0.5f * inv_vars[from + d];
      }
    }
  }
}

// Calls chunk(chunk, [gaussians][width] of log-likelihoods, room for [mixtures][width], width, first frame, frames) for
// every chunk and pack.
template <typename Chunk>
void DiagGmms::run(const float* features, std::int64_t frames, int threads, Chunk chunk) const {
  const int lanes = kernel_->lanes;
  const std::int64_t wide = std::int64_t(lanes) * kernel_->vectors;
  const std::int64_t wanted = threads > 0 ? threads : hardware_threads();
  // Every thread gets its share in whole packs.
  std::int64_t step = std::min(kTaskFrames, (frames + wanted - 1) / wanted);
  step = std::max((step + wide - 1) / wide * wide, wide);
  const std::int64_t tasks = (frames + step - 1) / step;
  std::int64_t most = 0;  // a mixture has at least one Gaussian
  for (const GmmChunk& c : chunks_) most = std::max(most, padded(c.gaussians));

  parallel_for(std::size_t(tasks), threads, [&](std::size_t task) {
    const std::int64_t begin = std::int64_t(task) * step, end = std::min(frames, begin + step);
    const AlignedFloats packs(std::size_t(end - begin + wide) * 2 * dim_);
    const AlignedFloats sums(std::size_t(most * wide)), room(std::size_t(most * wide));
    // What is left over for less than a wide pack goes in packs of one vector.
    const auto width_at = [&](std::int64_t frame) { return end - frame > lanes ? int(wide) : lanes; };
    for (std::int64_t frame = begin; frame < end; frame += width_at(frame)) {
      const int width = width_at(frame);
      kernel_->pack(features + frame * dim_, dim_, int(std::min<std::int64_t>(width, end - frame)), width,
                    packs.get() + (frame - begin) * 2 * dim_);
    }
    for (const GmmChunk& c : chunks_) {
      for (std::int64_t frame = begin; frame < end; frame += width_at(frame)) {
        const int width = width_at(frame);
        kernel_->gaussians(packs.get() + (frame - begin) * 2 * dim_, dim_, width,
                           parameters_.data() + c.first_row * 2 * dim_, gconsts_.data() + c.first_row,
                           padded(c.gaussians) / kGmmRows, sums.get());
        chunk(c, sums.get(), room.get(), width, frame, int(std::min<std::int64_t>(width, end - frame)));
      }
    }
  });
}

std::int64_t DiagGmms::log_likelihoods(const float* features, std::int64_t frames, float prune, int threads,
                                       float* out) const {
  constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> first_bad{none};
  run(features, frames, threads, [&](const GmmChunk& c, const float* sums, float* results, int width,
                                     std::int64_t frame, int count) {
    kernel_->mixtures(sums, width, ends_.data() + c.first_mixture, c.first_gaussian, c.mixtures, prune, results);
    float* to = out + frame * num_mixtures() + c.first_mixture;
    transpose(results, width, c.mixtures, count, to, num_mixtures());
    // x - x is 0 for finite x alone, and so is the sum of such.
    float check = 0;
    for (std::int64_t i = 0; i < c.mixtures * width; ++i) check += results[i] - results[i];
    if (check == 0) return;
    for (int f = 0; f < count; ++f) {
      for (std::int64_t m = 0; m < c.mixtures; ++m) {
        if (std::isfinite(results[m * width + f])) continue;
        const std::int64_t index = (frame + f) * num_mixtures() + c.first_mixture + m;
        std::int64_t known = first_bad;
        while (index < known && !first_bad.compare_exchange_weak(known, index)) {
        }
      }
    }
  });
  return first_bad == none ? -1 : first_bad.load();
}

void DiagGmms::component_log_likelihoods(const float* features, std::int64_t frames, int threads, float* out) const {
  run(features, frames, threads, [&](const GmmChunk& c, const float* sums, float*, int width, std::int64_t frame,
                                     int count) {
    transpose(sums, width, c.gaussians, count, out + frame * num_gaussians() + c.first_gaussian, num_gaussians());
  });
}

}  // namespace sonant

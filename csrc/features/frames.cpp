#include "features/frames.h"

#include <algorithm>
#include <cmath>

namespace sonant {

void require_finite(const Frames& features) {
  const float* end = features.data + features.count * features.dim;
  // Zero unless something is infinite or NaN; a loop without a branch, which is vectorised.
  int bad = 0;
  for (const float* p = features.data; p < end; ++p) bad |= !(std::fabs(*p) <= 3.402823466e38f);
  if (!bad) return;
  const std::int64_t at = std::find_if(features.data, end, [](float x) { return !std::isfinite(x); }) - features.data;
  feature_error("frame ", at / features.dim, " of ", features.count, ", column ", at % features.dim, " is ",
                features.data[at], "; expected finite features: find what made it");
}

void filter_frames(const Frames& features, std::span<const FrameFilter> filters, std::int64_t begin, std::int64_t end,
                   float* output) {
  const int dim = features.dim;
  const std::int64_t last = features.count - 1;
  for (std::int64_t frame = begin; frame < end; ++frame) {
    for (const FrameFilter& filter : filters) {
      bool empty = true;
      for (std::size_t k = 0; k < filter.taps.size(); ++k) {
        const float scale = filter.taps[k];
        if (scale == 0) continue;
        const float* __restrict from = features.row(
            std::clamp<std::int64_t>(frame + filter.first + std::int64_t(k), 0, last));
        float* __restrict to = output;
        if (empty && scale == 1) {
          std::copy_n(from, dim, to);
        } else if (empty) {
          for (int d = 0; d < dim; ++d) to[d] = scale * from[d];
        } else {
          for (int d = 0; d < dim; ++d) to[d] += scale * from[d];
        }
        empty = false;
      }
      if (empty) std::fill_n(output, dim, 0.0f);
      output += dim;
    }
  }
}

void accumulate_cmvn(const Frames& features, const float* weights, double* stats) {
  const int dim = features.dim;
  double* __restrict sum = stats;
  double* __restrict squares = stats + dim + 1;
  for (std::int64_t frame = 0; frame < features.count; ++frame) {
    const float* __restrict x = features.row(frame);
    const float weight = weights ? weights[frame] : 1.0f;
    for (int d = 0; d < dim; ++d) {
      sum[d] += x[d] * weight;
      squares[d] += x[d] * x[d] * weight;
    }
    sum[dim] += weight;
  }
}

namespace {

// Adds or takes away a frame: the sums of values and, where `squares` is not null, of squares.
template <int sign>
void move(const float* __restrict x, int dim, double* __restrict sum, double* __restrict squares) {
  for (int d = 0; d < dim; ++d) sum[d] += sign * double(x[d]);
  if (!squares) return;
  for (int d = 0; d < dim; ++d) squares[d] += sign * (double(x[d]) * double(x[d]));
}

}  // namespace

std::vector<std::int64_t> sliding_cmn(const Frames& features, const SlidingCmn& options, float* output) {
  const int dim = features.dim;
  const std::int64_t count = features.count;
  constexpr double kVarianceFloor = 1.0e-10;
  std::vector<double> sums(2 * std::size_t(dim));
  double* sum = sums.data();
  double* squares = options.normalize_variance ? sum + dim : nullptr;
  std::vector<std::int64_t> floored;
  std::int64_t first = 0, past = 0;  // the frames in the sums
  for (std::int64_t frame = 0; frame < count; ++frame) {
    // Without `center` the window holds the frame and `window` frames before it, one more than its name says;
    // at the start it is filled up from what follows, to min_window.
    std::int64_t begin = options.center ? frame - options.window / 2 : frame - options.window;
    std::int64_t end = options.center ? begin + options.window : frame + 1;
    if (begin < 0) {
      end -= begin;
      begin = 0;
    }
    if (!options.center && end > frame) end = std::max(frame + 1, options.min_window);
    if (end > count) {
      begin = std::max<std::int64_t>(begin - (end - count), 0);
      end = count;
    }
    for (; past < end; ++past) move<1>(features.row(past), dim, sum, squares);
    for (; first < begin; ++first) move<-1>(features.row(first), dim, sum, squares);

    const double share = 1 / double(end - begin);
    const float* __restrict x = features.row(frame);
    float* __restrict to = output + frame * dim;
    if (!squares) {
      for (int d = 0; d < dim; ++d) to[d] = float(double(x[d]) - sum[d] * share);
    } else if (end - begin == 1) {
      std::fill_n(to, dim, 0.0f);
    } else {
      int low = 0;  // a count rather than a flag, which compilers add up in lanes
      for (int d = 0; d < dim; ++d) {
        const double mean = sum[d] * share;
        const double variance = squares[d] * share - mean * mean;
        low += variance < kVarianceFloor;
        to[d] = float(double(x[d]) - mean) / std::sqrt(float(std::max(variance, kVarianceFloor)));
      }
      if (low) floored.push_back(frame);
    }
  }
  return floored;
}

namespace {

// `frames` frames' worth of statistics; the squares only where they will be looked at, as Kaldi does.
void add_scaled(const std::vector<double>& from, double frames, bool squares, int dim, double* stats) {
  const double scale = frames / from[dim];
  const int size = squares ? 2 * (dim + 1) : dim + 1;
  for (int i = 0; i < size; ++i) stats[i] += scale * from[i];
}

}  // namespace

void smooth_cmvn(const OnlineCmvn& options, int dim, double* stats) {
  const double window = double(options.window);
  double missing = window - stats[dim];
  if (missing <= 0) return;
  if (!options.speaker.empty()) {
    const double frames = std::min({missing, options.speaker_frames, options.speaker[dim]});
    if (frames > 0) add_scaled(options.speaker, frames, options.normalize_variance, dim, stats);
    missing = window - stats[dim];
    if (missing <= 0) return;
  }
  if (options.global.empty()) {
    feature_error("no global statistics, and only ", stats[dim], " frames of the ", options.window,
                  " that are normalised over; expected statistics of training data: OnlineCmvnState(global_stats)");
  }
  const double frames = std::min(missing, options.global_frames);
  if (frames > 0) add_scaled(options.global, frames, options.normalize_variance, dim, stats);
}

void online_cmvn(const Frames& features, const Frames& leaving, const OnlineCmvn& options, double* stats,
                 float* output) {
  const int dim = features.dim;
  constexpr double kVarianceFloor = 1.0e-20;
  double* squares = options.normalize_variance ? stats + dim + 1 : nullptr;
  std::vector<double> smoothed(2 * (std::size_t(dim) + 1));
  std::vector<char> skip(dim, 0);
  for (const int d : options.skip_dims) skip[d] = 1;
  const std::int64_t full = features.count - leaving.count;  // from this frame on the window is full
  for (std::int64_t frame = 0; frame < features.count; ++frame) {
    const float* __restrict x = features.row(frame);
    move<1>(x, dim, stats, squares);
    stats[dim] += 1;
    if (frame >= full) {
      move<-1>(leaving.row(frame - full), dim, stats, squares);
      stats[dim] -= 1;
    }
    if (!output) continue;
    std::copy_n(stats, smoothed.size(), smoothed.begin());
    smooth_cmvn(options, dim, smoothed.data());
    if (!options.normalize_mean) {
      std::copy_n(x, dim, output);
    } else {
      const double count = smoothed[dim];
      for (int d = 0; d < dim; ++d) {
        const double mean = skip[d] ? 0 : smoothed[d] / count;
        double scale = 1;
        if (squares && !skip[d]) {
          const double variance = smoothed[dim + 1 + d] / count - mean * mean;
          scale = 1 / std::sqrt(std::max(variance, kVarianceFloor));
        }
        output[d] = float((double(x[d]) - mean) * scale);
      }
    }
    output += dim;
  }
}

}  // namespace sonant

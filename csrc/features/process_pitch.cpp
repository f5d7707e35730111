#include "features/process_pitch.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "features/dither.h"

namespace sonant {

namespace {

// The two functions that Ghahremani et al. 2014 (section 3) fitted: a feature whose distribution is nearly Gaussian, and
// the probability that the frame is voiced.
float voicing_feature(float nccf) {
  const double n = std::clamp(nccf, -1.0f, 1.0f);
  return float(std::pow(1.0001 - n, 0.15) - 1.0);
}

float voicing_probability(float nccf) {
  const double n = std::min(std::fabs(nccf), 1.0f);
  const double r = -5.2 + 5.4 * std::exp(7.5 * (n - 1.0)) + 4.8 * n - 2.0 * std::exp(-10.0 * n) +
                   4.2 * std::exp(20.0 * (n - 1.0));
  return float(1.0 / (1.0 + std::exp(-r)));
}

// Sums in fixed point are exact: those of a window are differences of those from the start, in whatever order. A window
// of 3 million frames (9 hours) holds logarithms up to 10 without overflow.
constexpr double kFixedPoint = 0x1p38;

std::uint64_t fixed(double value) { return std::uint64_t(std::int64_t(std::llrint(value * kFixedPoint))); }
double floating(std::uint64_t sum) { return double(std::int64_t(sum)) / kFixedPoint; }

}  // namespace

ProcessPitch::ProcessPitch(const ProcessPitchOptions& options) : options_(options) {
  const auto finite = [](const char* name, double value) {
    if (!std::isfinite(value)) feature_error(name, "=", value, "; expected a number");
  };
  const auto count = [](const char* name, int value, int least) {
    if (value < least) feature_error(name, "=", value, "; expected ", least, " or more");
  };
  finite("pitch_scale", options.pitch_scale);
  finite("pov_scale", options.pov_scale);
  finite("pov_offset", options.pov_offset);
  finite("delta_pitch_scale", options.delta_pitch_scale);
  if (!(options.delta_pitch_noise_stddev >= 0 && std::isfinite(options.delta_pitch_noise_stddev))) {
    feature_error("delta_pitch_noise_stddev=", options.delta_pitch_noise_stddev,
                  "; expected the deviation of the noise, or 0 for none");
  }
  count("normalization_left_context", options.normalization_left_context, 0);
  count("normalization_right_context", options.normalization_right_context, 0);
  count("delay", options.delay, 0);
  if (options.delta_window < 1 || options.delta_window > 999) {
    feature_error("delta_window=", options.delta_window, "; expected 1 to 999 frames on each side");
  }
  dim_ = options.add_pov_feature + options.add_normalized_log_pitch + options.add_delta_pitch +
         options.add_raw_log_pitch;
  if (dim_ == 0) feature_error("no feature is asked for; expected add_pov_feature or another add_... to be true");
}

std::int64_t ProcessPitch::frames_ready(std::int64_t ready, bool finished) const {
  if (ready == 0) return 0;
  if (finished) return ready + options_.delay;
  return std::max<std::int64_t>(0, ready - options_.normalization_right_context + options_.delay);
}

ProcessPitch::Range ProcessPitch::context(Range output, std::int64_t ready) const {
  if (output.begin >= output.end) return {0, 0};
  const std::int64_t before = std::max(options_.normalization_left_context, options_.delta_window);
  const std::int64_t after = std::max(options_.normalization_right_context, options_.delta_window);
  const std::int64_t first = std::max<std::int64_t>(0, output.begin - options_.delay);
  const std::int64_t last = std::max<std::int64_t>(0, output.end - 1 - options_.delay);
  return {std::max<std::int64_t>(0, first - before), std::min(ready, last + after + 1)};
}

void ProcessPitch::compute(const float* track, Range output, std::int64_t ready, float* out) const {
  const ProcessPitchOptions& o = options_;
  const auto [begin, end] = context(output, ready);
  const auto frames = std::size_t(end - begin);
  std::vector<float> logs(frames);
  std::vector<std::uint64_t> weights(frames + 1), products(frames + 1);  // sums of the frames before
  for (std::size_t i = 0; i < frames; ++i) {
    const float nccf = track[2 * i], pitch = track[2 * i + 1];
    if (!std::isfinite(nccf) || !(pitch > 0) || !std::isfinite(pitch)) {
      feature_error("frame ", begin + std::int64_t(i), ": NCCF ", nccf, " and pitch ", pitch,
                    " Hz; expected the columns of a pitch track, of which the pitch is above 0");
    }
    logs[i] = std::log(pitch);
    if (o.add_normalized_log_pitch) {
      const float probability = voicing_probability(nccf);
      weights[i + 1] = weights[i] + fixed(probability);
      products[i + 1] = products[i] + fixed(double(probability) * logs[i]);
    }
  }

  double squares = 0;
  for (int k = 1; k <= o.delta_window; ++k) squares += 2.0 * k * k;
  std::vector<float> noise;
  const auto first = std::max<std::int64_t>(0, output.begin - o.delay);
  if (o.add_delta_pitch && o.delta_pitch_noise_stddev > 0 && end > first) {
    noise.resize(std::size_t(end - first));
    dither_samples<4>(noise.data(), std::int64_t(noise.size()), first, float(o.delta_pitch_noise_stddev), o.seed);
  }

  for (std::int64_t f = output.begin; f < output.end; ++f) {
    const std::int64_t t = std::max<std::int64_t>(0, f - o.delay);
    const float log_pitch = logs[std::size_t(t - begin)];
    if (o.add_pov_feature) {
      *out++ = float(o.pov_scale * voicing_feature(track[2 * (t - begin)]) + o.pov_offset);
    }
    if (o.add_normalized_log_pitch) {
      const auto from = std::size_t(std::max<std::int64_t>(0, t - o.normalization_left_context) - begin);
      const auto to = std::size_t(std::min(ready, t + o.normalization_right_context + 1) - begin);
      const double mean = floating(products[to] - products[from]) / floating(weights[to] - weights[from]);
      *out++ = float((log_pitch - float(mean)) * o.pitch_scale);
    }
    if (o.add_delta_pitch) {
      double slope = 0;
      for (int k = 1; k <= o.delta_window; ++k) {
        const std::int64_t before = std::max<std::int64_t>(0, t - k), after = std::min(ready - 1, t + k);
        slope += k * (double(logs[std::size_t(after - begin)]) - double(logs[std::size_t(before - begin)]));
      }
      const float jitter = noise.empty() ? 0.0f : noise[std::size_t(t - first)];
      *out++ = float((float(slope / squares) + jitter) * o.delta_pitch_scale);
    }
    if (o.add_raw_log_pitch) *out++ = log_pitch;
  }
}

}  // namespace sonant

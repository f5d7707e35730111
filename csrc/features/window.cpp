#include "features/window.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "features/feature_error.h"

namespace sonant {

namespace {

// Longest frame and shift. Sixteen frames of this length still fit in memory.
constexpr double kMostSamples = 1 << 22;

// Kaldi's rounding: a float frequency and a float time, multiplied in double, and cut.
int samples_of(const char* name, double sample_frequency, double milliseconds, int fewest) {
  const double samples = float(sample_frequency) * 0.001 * float(milliseconds);
  if (!(samples >= fewest && samples <= kMostSamples)) {
    feature_error(name, "=", milliseconds, " ms at sample_frequency=", sample_frequency, " Hz is ", samples,
                  " samples; expected ", fewest, " to ", kMostSamples, ": change ", name, " or sample_frequency");
  }
  return int(samples);
}

}  // namespace

Framing::Framing(const FrameOptions& options) : snip_edges_(options.snip_edges) {
  if (!(options.sample_frequency > 0 && std::isfinite(options.sample_frequency))) {
    feature_error("sample_frequency=", options.sample_frequency, " Hz; expected the positive rate of the samples");
  }
  length_ = samples_of("frame_length", options.sample_frequency, options.frame_length, 2);
  shift_ = samples_of("frame_shift", options.sample_frequency, options.frame_shift, 1);
  padded_ = options.round_to_power_of_two ? int(std::bit_ceil(unsigned(length_))) : length_;
  if (padded_ % 2 != 0) {
    feature_error("frame_length=", options.frame_length, " ms is ", length_, " samples with ",
                  "round_to_power_of_two=False; expected an even number of samples: ",
                  "change frame_length or set round_to_power_of_two=True");
  }
}

std::int64_t Framing::first_sample(std::int64_t frame) const {
  if (snip_edges_) return frame * shift_;
  return frame * shift_ + shift_ / 2 - length_ / 2;
}

std::int64_t Framing::count(std::int64_t samples, bool ended) const {
  if (snip_edges_) return samples < length_ ? 0 : 1 + (samples - length_) / shift_;
  const std::int64_t whole = (samples + shift_ / 2) / shift_;
  if (ended || whole == 0) return whole;
  // The last frames may reach past the samples; they are mirrored only if no more come.
  const std::int64_t beyond = first_sample(whole - 1) + length_ - samples;
  if (beyond <= 0) return whole;
  const std::int64_t waiting = (beyond + shift_ - 1) / shift_;
  return waiting < whole ? whole - waiting : 0;
}

std::int64_t reflect(std::int64_t index, std::int64_t samples) {
  const std::int64_t period = 2 * samples;
  const std::int64_t phase = (index % period + period) % period;
  return phase < samples ? phase : period - 1 - phase;
}

std::vector<float> window_function(const FrameOptions& options, int length) {
  const std::string& type = options.window_type;
  const double a = 2 * std::numbers::pi / (length - 1);
  const double blackman = float(options.blackman_coeff);
  std::vector<float> window(length);
  for (int i = 0; i < length; ++i) {
    double value;
    if (type == "hanning") {
      value = 0.5 - 0.5 * std::cos(a * i);
    } else if (type == "sine") {
      value = std::sin(0.5 * a * i);
    } else if (type == "hamming") {
      value = 0.54 - 0.46 * std::cos(a * i);
    } else if (type == "povey") {
      value = std::pow(0.5 - 0.5 * std::cos(a * i), 0.85);
    } else if (type == "rectangular") {
      value = 1.0;
    } else if (type == "blackman") {
      value = blackman - 0.5 * std::cos(a * i) + (0.5 - blackman) * std::cos(2 * a * i);
    } else {
      feature_error("window_type='", type,
                    "'; expected one of 'povey', 'hamming', 'hanning', 'blackman', 'sine', 'rectangular'");
    }
    window[i] = float(value);
  }
  return window;
}

}  // namespace sonant

#include "features/mel.h"

#include <algorithm>
#include <cmath>

#include "features/feature_error.h"

namespace sonant {

// All in float as in Kaldi: which frequency falls into which filter is decided by comparing such numbers.
float mel_of(float hertz) { return 1127.0f * std::log(1.0f + hertz / 700.0f); }
float hertz_of(float mel) { return 700.0f * (std::exp(mel / 1127.0f) - 1.0f); }

Warp::Warp(float low_freq, float high_freq, float vtln_low, float vtln_high, float factor)
    : low(low_freq),
      high(high_freq),
      knee_low(vtln_low * std::max(1.0f, factor)),
      knee_high(vtln_high * std::min(1.0f, factor)),
      scale(1.0f / factor) {}

float Warp::hertz(float f) const {
  if (f < low || f > high) return f;
  if (f < knee_low) return low + (scale * knee_low - low) / (knee_low - low) * (f - low);
  if (f < knee_high) return scale * f;
  return high + (high - scale * knee_high) / (high - knee_high) * (f - high);
}

MelBanks::MelBanks(const MelOptions& mel, const FrameOptions& frame, int padded) {
  if (mel.num_mel_bins < 3) feature_error("num_mel_bins=", mel.num_mel_bins, "; expected at least 3");

  const float rate = float(frame.sample_frequency), nyquist = 0.5f * rate;
  const float low = float(mel.low_freq);
  const float high = mel.high_freq > 0 ? float(mel.high_freq) : nyquist + float(mel.high_freq);
  if (!(low >= 0 && low < high && high <= nyquist)) {
    feature_error("low_freq=", mel.low_freq, " and high_freq=", mel.high_freq, " make a band from ", low, " to ", high,
                  " Hz; expected 0 <= low < high <= ", nyquist,
                  " Hz, half of sample_frequency (a high_freq of zero or less is relative to that)");
  }

  const float warp_factor = float(mel.vtln_warp);
  const float vtln_low = float(mel.vtln_low);
  const float vtln_high = mel.vtln_high < 0 ? nyquist + float(mel.vtln_high) : float(mel.vtln_high);
  const bool warped = warp_factor != 1.0f;
  const Warp warp(low, high, vtln_low, vtln_high, warp_factor);
  if (!(warp_factor > 0 && std::isfinite(warp_factor))) {
    feature_error("vtln_warp=", mel.vtln_warp, "; expected a positive factor, 1 for no warp");
  }
  if (warped && !(vtln_low > low && vtln_low < vtln_high && vtln_high < high)) {
    feature_error("vtln_low=", mel.vtln_low, " and vtln_high=", mel.vtln_high, " put the knees of the warp at ",
                  vtln_low, " and ", vtln_high, " Hz; expected ", low, " < vtln_low < vtln_high < ", high,
                  " Hz, the band of the filters (a negative vtln_high is relative to half of sample_frequency)");
  }

  const float mel_low = mel_of(low), mel_high = mel_of(high);
  const float delta = (mel_high - mel_low) / float(mel.num_mel_bins + 1);
  const float bin_width = rate / float(padded);
  std::vector<float> mels(padded / 2);
  for (int i = 0; i < padded / 2; ++i) mels[i] = mel_of(bin_width * float(i));

  for (int bin = 0; bin < mel.num_mel_bins; ++bin) {
    float left = mel_low + float(bin) * delta;
    float center = mel_low + float(bin + 1) * delta;
    float right = mel_low + float(bin + 2) * delta;
    if (warped) {
      left = warp.mel(left);
      center = warp.mel(center);
      right = warp.mel(right);
    }
    const auto begin = std::upper_bound(mels.begin(), mels.end(), left);
    const auto end = std::lower_bound(begin, mels.end(), right);
    if (begin == end) {
      feature_error("num_mel_bins=", mel.num_mel_bins, ": filter ", bin, ", ", hertz_of(left), " to ", hertz_of(right),
                    " Hz, has no frequency of a ", padded, "-point transform in it, which are ", bin_width,
                    " Hz apart; expected fewer bins: lower num_mel_bins, or make frame_length longer");
    }
    first.push_back(int(begin - mels.begin()));
    size.push_back(int(end - begin));
    start.push_back(int(weights.size()));
    for (auto m = begin; m != end; ++m) {
      weights.push_back(*m <= center ? (*m - left) / (center - left) : (right - *m) / (right - center));
    }
    centers.push_back(hertz_of(center));
    const float squared = centers.back() * centers.back(), part = squared / (squared + 1.6e5f);
    loudness.push_back(part * part * ((squared + 1.44e6f) / (squared + 9.61e6f)));
    // HTK leaves the lowest frequency out of the first filter.
    if (mel.htk_mode && bin == 0 && mel_low != 0.0f) weights[start[0]] = 0.0f;
  }
}

}  // namespace sonant

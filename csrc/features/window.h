// How Kaldi cuts a waveform into frames (feat/feature-window of Kaldi defines it).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sonant {

// Kaldi's FrameExtractionOptions, by Kaldi's names, with what Kaldi leaves to chance (seed) and to the reader of the
// wave file (sample_scale: Kaldi's features are defined on 16-bit integers).
struct FrameOptions {
  double sample_frequency = 16000.0;     // Hz
  double frame_length = 25.0;            // ms
  double frame_shift = 10.0;             // ms
  double dither = 1.0;                   // standard deviation of the noise, on the scale of 16-bit integers
  double preemphasis_coefficient = 0.97;
  bool remove_dc_offset = true;
  std::string window_type = "povey";
  bool round_to_power_of_two = true;
  double blackman_coeff = 0.42;
  bool snip_edges = true;
  double sample_scale = 32768.0;
  std::uint64_t seed = 0;
};

// The frames of a waveform, in samples. Throws FeatureError where the options make no frame.
class Framing {
 public:
  explicit Framing(const FrameOptions& options);

  int length() const { return length_; }
  int shift() const { return shift_; }
  int padded() const { return padded_; }  // length of the Fourier transform

  // May be negative when edges are not snipped.
  std::int64_t first_sample(std::int64_t frame) const;

  // Frames that `samples` samples make; with `ended` false, those that no later sample can change.
  std::int64_t count(std::int64_t samples, bool ended) const;

 private:
  bool snip_edges_;
  int length_, shift_, padded_;
};

// Where a sample outside [0, samples) is read when edges are not snipped: -1 -> 0, -2 -> 1; n -> n - 1, n + 1 -> n - 2.
std::int64_t reflect(std::int64_t index, std::int64_t samples);

std::vector<float> window_function(const FrameOptions& options, int length);

}  // namespace sonant

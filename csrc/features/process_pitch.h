// What a recogniser takes of a pitch track: Kaldi's process-kaldi-pitch-feats.
#pragma once

#include <cstdint>

#include "features/feature_error.h"

namespace sonant {

struct ProcessPitchOptions {
  double pitch_scale = 2.0;
  double pov_scale = 2.0;
  double pov_offset = 0.0;
  double delta_pitch_scale = 10.0;
  double delta_pitch_noise_stddev = 0.005;
  int normalization_left_context = 75;
  int normalization_right_context = 75;
  int delta_window = 2;
  int delay = 0;
  bool add_pov_feature = true;
  bool add_normalized_log_pitch = true;
  bool add_delta_pitch = true;
  bool add_raw_log_pitch = false;
  std::uint64_t seed = 0;
};

// Immutable. Frame f of the output is made from a window of the track around frame max(0, f - delay), and from nothing
// else: the noise is a function of the seed and that frame's number, and the sums over the window are exact, so that
// the order in which frames are asked for does not show.
class ProcessPitch {
 public:
  explicit ProcessPitch(const ProcessPitchOptions& options);  // throws FeatureError

  const ProcessPitchOptions& options() const { return options_; }
  int dim() const { return dim_; }

  // Frames that can be had when the track has `ready` frames, `finished` or not.
  std::int64_t frames_ready(std::int64_t ready, bool finished) const;

  struct Range {
    std::int64_t begin, end;
  };
  // The frames of the track that the output's frames need.
  Range context(Range output, std::int64_t ready) const;

  // Writes the output's frames, (frames, dim), from rows (NCCF, pitch in Hz) of the track, the first of which is frame
  // context(output, ready).begin. Throws FeatureError for a track that cannot be one.
  void compute(const float* track, Range output, std::int64_t ready, float* out) const;

 private:
  ProcessPitchOptions options_;
  int dim_;
};

}  // namespace sonant

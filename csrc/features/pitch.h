// Kaldi's pitch tracker (Ghahremani et al. 2014, "A pitch extraction algorithm tuned for automatic speech recognition"):
// the normalised cross-correlation (NCCF) of each frame at the lags of all pitches, and the smoothest path of high
// correlation through them, by the Viterbi algorithm.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "features/process_pitch.h"
#include "features/resample.h"

namespace sonant {

struct PitchOptions {
  double sample_frequency = 16000.0;
  double frame_length = 25.0;  // milliseconds
  double frame_shift = 10.0;
  double preemphasis_coefficient = 0.0;
  double min_f0 = 50.0;  // Hz
  double max_f0 = 400.0;
  double soft_min_f0 = 10.0;
  double penalty_factor = 0.1;
  double lowpass_cutoff = 1000.0;
  double resample_frequency = 4000.0;
  double delta_pitch = 0.005;
  double nccf_ballast = 7000.0;
  int lowpass_filter_width = 1;
  int upsample_filter_width = 5;
  int max_frames_latency = 0;
  int frames_per_chunk = 0;
  bool simulate_first_pass_online = false;
  int recompute_frame = 500;
  bool nccf_ballast_online = false;
  bool snip_edges = true;
  double sample_scale = 32768.0;
};

// What follows from the options. Immutable.
class PitchPlan {
 public:
  // `lanes` chooses a kernel, 0 for the widest there is. Throws FeatureError.
  explicit PitchPlan(const PitchOptions& options, int lanes = 0);

  const PitchOptions& options() const { return options_; }
  int chunk_samples() const { return chunk_samples_; }  // 0: the whole waveform is one chunk
  float pitch(int state) const { return 1.0f / lags_[state]; }

  // Throws FeatureError for samples that are not finite.
  void check(std::span<const float> samples) const;

 private:
  friend class PitchTracker;
  PitchOptions options_;
  const SignalKernel* kernel_;
  LinearResample downsample_;
  int window_, shift_;         // in samples of resample_frequency, as are the lags at which the NCCF is measured
  int first_lag_, last_lag_;
  std::vector<float> lags_;    // seconds, of each state
  std::vector<float> soft_;    // soft_min_f0 * lag, padded
  float factor_;               // cost of a step by one state
  std::unique_ptr<const ArbitraryResample> upsample_;
  int chunk_samples_;
};

// A waveform that arrives in chunks. The numbers depend on the chunks as Kaldi's do: the NCCF of quiet frames is
// lowered by the mean energy of what had arrived when it was computed.
class PitchTracker {
 public:
  explicit PitchTracker(const PitchPlan* plan);

  void append(std::span<const float> samples);  // takes samples without computing anything; throws FeatureError
  void advance();                               // computes the frames that are complete: the end of a chunk
  void finish();                                // no more samples follow

  bool finished() const { return finished_; }
  std::int64_t frames_ready() const { return std::int64_t(nccf_.size()) - latency_; }
  // Rows (NCCF, pitch in Hz) of the best path as it is now.
  void track(std::int64_t begin, std::int64_t end, float* out) const;

 private:
  struct Measured {  // of a frame whose NCCF may yet be scaled
    float mean_norm, mean_square;
    std::vector<float> nccf;
  };

  std::int64_t frames_available() const;
  std::int64_t first_sample(std::int64_t frame) const;
  void extract(std::int64_t frame);
  void measure(std::int64_t frame, float* nccf, double mean_square);
  void step(const float* upsampled, std::int64_t frame);
  void backtrack();
  void revise();
  void set_latency();
  void trim();

  const std::uint16_t* origins(std::int64_t frame) const {
    return origins_.data() + std::size_t(frame - kept_) * plan_->lags_.size();
  }
  const float* voicing(std::int64_t frame) const { return voicing_.data() + std::size_t(frame - kept_) * row_; }

  const PitchPlan* plan_;
  const SignalKernel* kernel_;
  LinearResampler resampler_;
  std::size_t row_;                 // room for the NCCF of one frame
  std::vector<float> scaled_;
  std::vector<float> signal_;       // downsampled, from signal_offset_ on
  std::int64_t signal_offset_ = 0;
  std::int64_t chunk_start_ = 0;    // samples of the chunks before
  double sum_ = 0, square_sum_ = 0; // over those
  bool finished_ = false;

  std::int64_t frames_ = 0;
  std::int64_t kept_ = 0;               // the first frame of the next two
  std::int64_t trim_at_;                // how many frames there are when it is next moved
  std::vector<float> voicing_;          // NCCF without ballast, (frames, row_)
  std::vector<std::uint16_t> origins_;  // (frames, states), and two tiles: the best state before
  std::vector<float> costs_, next_;     // of each state at the last frame
  std::vector<Measured> measured_;
  std::vector<int> path_;               // (1 + frames): state of the best path, first of frame -1; -1 for none yet
  std::vector<float> nccf_;             // along it
  std::int64_t latency_ = 0;

  std::vector<float> wave_, upsampled_;
  std::vector<float> batch_;
};

// Pitch features: the track, or what ProcessPitch makes of it. Immutable.
class Pitch {
 public:
  // Throws FeatureError.
  Pitch(const PitchOptions& options, const std::optional<ProcessPitchOptions>& process, int lanes = 0);

  const PitchPlan& plan() const { return plan_; }
  const std::optional<ProcessPitch>& process() const { return process_; }
  int dim() const { return process_ ? process_->dim() : 2; }

  // Features of a whole waveform, (frames, dim). Throws FeatureError.
  std::vector<float> compute(std::span<const float> samples) const;

 private:
  PitchPlan plan_;
  std::optional<ProcessPitch> process_;
};

// Samples in any pieces, which are cut into chunks as the options say: what is computed depends on the samples alone.
class PitchStream {
 public:
  explicit PitchStream(std::shared_ptr<const Pitch> pitch);
  explicit PitchStream(const Pitch* pitch);  // which must outlive this

  // The features that become ready, as they are then: (new frames, dim). Throws FeatureError.
  std::vector<float> feed(std::span<const float> samples);
  std::vector<float> finish();
  // All frames as they are when everything has been seen, (frames, dim); after finish.
  std::vector<float> final_features() const;

 private:
  void emit(std::vector<float>& to);
  std::vector<float> features(std::int64_t begin, std::int64_t end) const;
  std::int64_t ready() const;

  std::shared_ptr<const Pitch> owner_;
  const Pitch* pitch_;
  PitchTracker tracker_;
  std::vector<float> pending_;  // less than a chunk, or a whole one that may be the last
  std::int64_t emitted_ = 0;
};

}  // namespace sonant

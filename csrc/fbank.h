// Kaldi's log-mel filterbank features (feat/feature-fbank of Kaldi defines them), streaming and offline.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "fbank_kernel.h"
#include "feature_error.h"
#include "mel.h"
#include "window.h"

namespace sonant {

// Kaldi's FbankOptions, by Kaldi's names.
struct FbankOptions {
  FrameOptions frame;
  MelOptions mel;
  bool use_energy = false;
  double energy_floor = 0.0;
  bool raw_energy = true;
  bool htk_compat = false;
  bool use_log_fbank = true;
  bool use_power = true;
};

// The features of one set of options. Immutable: any number of threads may share it.
class Fbank {
 public:
  // `lanes`: frames that are computed at a time, 4, 8 or 16; 0: the most that this processor can.
  // Throws FeatureError for options that make no features.
  explicit Fbank(const FbankOptions& options, int lanes = 0);

  int dim() const { return plan_.dim; }
  int lanes() const { return kernel_->lanes; }
  const Framing& framing() const { return framing_; }

  // Throws FeatureError where a sample is not finite or far too large to be one.
  void check(std::span<const float> samples) const;

  // The whole waveform: fills (framing().count(samples.size(), true), dim()).
  void compute(std::span<const float> samples, float* features) const;

 private:
  friend class FbankStream;

  FbankOptions options_;
  Framing framing_;
  FbankPlan plan_;
  const FbankKernel* kernel_;
};

// One waveform that arrives in pieces. Whatever the pieces, the features are bit for bit those of Fbank::compute.
class FbankStream {
 public:
  explicit FbankStream(std::shared_ptr<const Fbank> fbank);

  // New frames that the next `samples` samples complete, or with `ended` all that are left after them.
  std::int64_t frames_after(std::int64_t samples, bool ended) const;

  // Fills (frames_after(samples.size(), false), dim). Throws FeatureError for bad samples, and is then as before.
  void feed(std::span<const float> samples, float* features);

  // Fills (frames_after(0, true), dim). No feed may follow.
  void finish(float* features);

 private:
  friend class Fbank;

  struct AlignedDelete {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t(64)); }
  };

  explicit FbankStream(const Fbank* fbank);
  void emit(std::int64_t ready, bool whole_batches, float*& features);
  void append(std::span<const float> samples);
  void forget();

  std::shared_ptr<const Fbank> owner_;
  const Fbank* fbank_;
  std::int64_t received_ = 0;    // samples so far
  std::int64_t emitted_ = 0;     // frames so far
  std::vector<float> pending_;   // scaled, dithered samples that later frames need
  std::int64_t offset_ = 0;      // number of the first of them
  std::vector<float> mirrored_;  // the samples of frames that reach past an end
  std::unique_ptr<float[], AlignedDelete> room_;
};

}  // namespace sonant

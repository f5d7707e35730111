// Kaldi's features of frames, of a whole waveform or of one that arrives in pieces: one engine for all of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <vector>

#include "features/feature_error.h"
#include "features/feature_plans.h"

namespace sonant {

// Room for a kernel, aligned as its vectors need it.
class KernelRoom {
 public:
  KernelRoom(const FrameKernel& kernel, const FramePlan& plan)
      : room_(static_cast<float*>(::operator new[](kernel.room(plan) * sizeof(float), std::align_val_t(64)))) {}

  float* get() const { return room_.get(); }

 private:
  struct AlignedDelete {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t(64)); }
  };
  std::unique_ptr<float[], AlignedDelete> room_;
};

// The features of one set of options. Any number of threads may share it.
class FrameFeature {
 public:
  // `lanes`: frames that are computed at a time, 4, 8 or 16; 0: the most that this processor can.
  // Throws FeatureError for options that make no features.
  explicit FrameFeature(FeatureRecipe recipe, int lanes = 0);

  const FeatureRecipe& recipe() const { return recipe_; }
  int dim() const { return recipe_.plan.dim; }
  int lanes() const { return kernel_->lanes; }
  const Framing& framing() const { return recipe_.framing; }
  double warp() const { return recipe_.mel ? recipe_.mel->vtln_warp : 1.0; }

  // The filters for a warp factor. Throws FeatureError where there are none.
  std::shared_ptr<const MelBanks> banks(double warp) const;

  // Throws FeatureError where a sample is not finite or far too large to be one.
  void check(std::span<const float> samples) const;

  // The whole waveform: fills (framing().count(samples.size(), true), dim()).
  void compute(std::span<const float> samples, double warp, float* features) const;

  // One frame of framing().padded() samples that has been windowed already, and the log-energy that it had before:
  // fills (dim()).
  void compute_windowed(std::span<const float> frame, float log_energy, double warp, float* features) const;

 private:
  friend class FrameStream;

  FeatureRecipe recipe_;
  const FrameKernel* kernel_;
  std::shared_ptr<const MelBanks> banks_;
  mutable std::mutex mutex_;
  mutable std::map<float, std::shared_ptr<const MelBanks>> warped_;  // those asked for so far
};

// One waveform that arrives in pieces. Whatever the pieces, the features are bit for bit those of
// FrameFeature::compute.
class FrameStream {
 public:
  FrameStream(std::shared_ptr<const FrameFeature> feature, double warp);

  // New frames that the next `samples` samples complete, or with `ended` all that are left after them.
  std::int64_t frames_after(std::int64_t samples, bool ended) const;

  // Fills (frames_after(samples.size(), false), dim). Throws FeatureError for bad samples, and is then as before.
  void feed(std::span<const float> samples, float* features);

  // Fills (frames_after(0, true), dim). No feed may follow.
  void finish(float* features);

 private:
  friend class FrameFeature;

  FrameStream(const FrameFeature* feature, double warp);
  void emit(std::int64_t ready, bool whole_batches, float*& features);
  void append(std::span<const float> samples);
  void forget();

  std::shared_ptr<const FrameFeature> owner_;
  const FrameFeature* feature_;
  std::shared_ptr<const MelBanks> banks_;
  std::int64_t received_ = 0;    // samples so far
  std::int64_t emitted_ = 0;     // frames so far
  std::vector<float> pending_;   // scaled, dithered samples that later frames need
  std::int64_t offset_ = 0;      // number of the first of them
  std::vector<float> mirrored_;  // the samples of frames that reach past an end
  KernelRoom room_;
};

}  // namespace sonant

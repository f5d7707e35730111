#include "features/frame_feature.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sonant {

namespace {

// Larger than any integer format's full scale; the power of a frame of such samples is still far from overflow.
constexpr float kLargestSample = 0x1p40f;

// Warped filters that are kept. A speaker has one of a few factors; what comes in finer steps is made again.
constexpr std::size_t kMostWarps = 64;

}  // namespace

FrameFeature::FrameFeature(FeatureRecipe recipe, int lanes)
    : recipe_(std::move(recipe)),
      kernel_(frame_kernel(lanes)),
      banks_(std::make_shared<const MelBanks>(recipe_.banks)) {
  if (!kernel_) feature_error("lanes=", lanes, "; expected 0, or 4, 8 or 16 where the processor has as many");
}

std::shared_ptr<const MelBanks> FrameFeature::banks(double warp) const {
  if (!recipe_.mel || float(warp) == float(recipe_.mel->vtln_warp)) return banks_;
  if (!(warp > 0 && std::isfinite(warp))) {
    feature_error("vtln_warp=", warp, "; expected a positive factor, 1 for no warp");
  }
  MelOptions mel = *recipe_.mel;
  mel.vtln_warp = warp;
  std::lock_guard lock(mutex_);
  const auto found = warped_.find(float(warp));
  if (found != warped_.end()) return found->second;
  auto made = std::make_shared<const MelBanks>(mel, recipe_.frame, recipe_.framing.padded());
  if (warped_.size() == kMostWarps) warped_.clear();
  return warped_[float(warp)] = made;
}

void FrameFeature::check(std::span<const float> samples) const {
  const float largest = kLargestSample / float(recipe_.frame.sample_scale);
  if (!kernel_->larger(samples.data(), std::int64_t(samples.size()), largest)) return;
  const auto found = std::find_if(samples.begin(), samples.end(), [&](float s) { return !(std::fabs(s) <= largest); });
  feature_error("sample ", found - samples.begin(), " of ", samples.size(), " is ", *found, "; expected finite samples",
                std::isfinite(*found) ? " of a sensible size for sample_scale=" : " (sample_scale=",
                recipe_.frame.sample_scale, std::isfinite(*found) ? "" : ")",
                ": find what made it, or replace it by 0 before computing features");
}

void FrameFeature::compute(std::span<const float> samples, double warp, float* features) const {
  FrameStream stream(this, warp);
  stream.feed(samples, features);
  stream.finish(features + stream.emitted_ * dim());
}

void FrameFeature::compute_windowed(std::span<const float> frame, float log_energy, double warp,
                                    float* features) const {
  if (frame.size() != std::size_t(framing().padded())) {
    feature_error("a windowed frame of ", frame.size(), " samples; expected ", framing().padded(),
                  ", the frame padded with zeros");
  }
  check(frame);
  const KernelRoom room(*kernel_, recipe_.plan);
  kernel_->windowed(recipe_.plan, *banks(warp), frame.data(), room.get(), features);
  if (recipe_.plan.energy == FramePlan::Energy::raw) {
    features[recipe_.plan.energy_column] = std::max(log_energy, recipe_.plan.log_energy_floor);
  }
}

FrameStream::FrameStream(std::shared_ptr<const FrameFeature> feature, double warp)
    : FrameStream(feature.get(), warp) {
  owner_ = std::move(feature);
}

FrameStream::FrameStream(const FrameFeature* feature, double warp)
    : feature_(feature), banks_(feature->banks(warp)), room_(*feature->kernel_, feature->recipe_.plan) {}

std::int64_t FrameStream::frames_after(std::int64_t samples, bool ended) const {
  return feature_->framing().count(received_ + samples, ended) - emitted_;
}

void FrameStream::feed(std::span<const float> samples, float* features) {
  feature_->check(samples);
  // In blocks that stay in the cache, and make a batch of frames each.
  const std::size_t block = std::max<std::size_t>(4096, feature_->lanes() * std::size_t(feature_->framing().shift()));
  while (!samples.empty()) {
    const std::size_t take = std::min(block, samples.size());
    append(samples.first(take));
    samples = samples.subspan(take);
    emit(feature_->framing().count(received_, false), !samples.empty(), features);
    forget();
  }
}

void FrameStream::finish(float* features) { emit(feature_->framing().count(received_, true), false, features); }

void FrameStream::append(std::span<const float> samples) {
  const FrameOptions& options = feature_->recipe_.frame;
  const std::size_t before = pending_.size();
  pending_.resize(before + samples.size());
  float* to = pending_.data() + before;
  feature_->kernel_->scale(samples.data(), std::int64_t(samples.size()), float(options.sample_scale), to);
  if (options.dither != 0) {
    feature_->kernel_->dither(to, std::int64_t(samples.size()), received_, float(options.dither), options.seed);
  }
  received_ += std::int64_t(samples.size());
}

void FrameStream::emit(std::int64_t ready, bool whole_batches, float*& features) {
  const Framing& framing = feature_->framing();
  while (emitted_ < ready) {
    const int count = int(std::min<std::int64_t>(feature_->lanes(), ready - emitted_));
    if (whole_batches && count < feature_->lanes()) break;
    const std::int64_t first = framing.first_sample(emitted_);
    const std::int64_t end = framing.first_sample(emitted_ + count - 1) + framing.length();
    const float* samples;
    if (first >= 0 && end <= received_) {
      samples = pending_.data() + (first - offset_);
    } else {
      mirrored_.resize(std::size_t(end - first));
      for (std::int64_t i = first; i < end; ++i) mirrored_[i - first] = pending_[reflect(i, received_) - offset_];
      samples = mirrored_.data();
    }
    feature_->kernel_->frames(feature_->recipe_.plan, *banks_, samples, count, room_.get(), features);
    features += count * feature_->dim();
    emitted_ += count;
  }
}

// Drops the samples that no later frame reads. The mirror image of the last frame may begin one sample before it.
void FrameStream::forget() {
  const std::int64_t needed = feature_->framing().first_sample(emitted_) - 1 - offset_;
  const std::int64_t gone = std::clamp<std::int64_t>(needed, 0, std::int64_t(pending_.size()));
  pending_.erase(pending_.begin(), pending_.begin() + gone);
  offset_ += gone;
}

}  // namespace sonant

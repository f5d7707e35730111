#include "fbank.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sonant {

namespace {

// Larger than any integer format's full scale; the power of a frame of such samples is still far from overflow.
constexpr float kLargestSample = 0x1p40f;

FbankPlan plan_of(const FbankOptions& options, const Framing& framing) {
  const FrameOptions& frame = options.frame;
  const float preemphasis = float(frame.preemphasis_coefficient);
  if (!(preemphasis >= 0 && preemphasis <= 1)) {
    feature_error("preemphasis_coefficient=", frame.preemphasis_coefficient, "; expected 0 to 1");
  }
  if (!(frame.dither >= 0 && std::isfinite(frame.dither))) {
    feature_error("dither=", frame.dither, "; expected the deviation of the noise, or 0 for none");
  }
  if (!(frame.sample_scale > 0 && std::isfinite(frame.sample_scale))) {
    feature_error("sample_scale=", frame.sample_scale,
                  "; expected 32768 for samples in [-1, 1], or 1 for samples on the scale of 16-bit integers");
  }
  if (!std::isfinite(frame.blackman_coeff)) {
    feature_error("blackman_coeff=", frame.blackman_coeff, "; expected a number, 0.42 as a rule");
  }
  if (!(options.energy_floor >= 0 && std::isfinite(options.energy_floor))) {
    feature_error("energy_floor=", options.energy_floor, "; expected an energy, or 0 for no floor");
  }

  using Energy = FbankPlan::Energy;
  const int bins = options.mel.num_mel_bins;
  const bool energy_first = options.use_energy && !options.htk_compat;
  const float floor = options.use_log_fbank ? std::numeric_limits<float>::epsilon() : 0.0f;
  return FbankPlan{
      .fft = RealFft(framing.padded()),
      .mel = MelBanks(options.mel, frame, framing.padded()),
      .window = window_function(frame, framing.length()),
      .shift = framing.shift(),
      .preemphasis = preemphasis,
      .remove_dc_offset = frame.remove_dc_offset,
      .use_power = options.use_power,
      .use_log = options.use_log_fbank,
      .floor = options.mel.htk_mode ? 1.0f : floor,
      .energy = !options.use_energy ? Energy::none : options.raw_energy ? Energy::raw : Energy::windowed,
      .log_energy_floor = options.energy_floor > 0 ? std::log(float(options.energy_floor))
                                                   : -std::numeric_limits<float>::infinity(),
      .mel_column = energy_first ? 1 : 0,
      .energy_column = energy_first ? 0 : bins,
      .dim = bins + (options.use_energy ? 1 : 0),
  };
}

}  // namespace

Fbank::Fbank(const FbankOptions& options, int lanes)
    : options_(options), framing_(options.frame), plan_(plan_of(options, framing_)), kernel_(fbank_kernel(lanes)) {
  if (!kernel_) feature_error("lanes=", lanes, "; expected 0, or 4, 8 or 16 where the processor has as many");
}

void Fbank::check(std::span<const float> samples) const {
  const float largest = kLargestSample / float(options_.frame.sample_scale);
  int bad = 0;
  for (const float sample : samples) bad |= !(std::fabs(sample) <= largest);  // also true of NaN
  if (!bad) return;
  const auto found = std::find_if(samples.begin(), samples.end(), [&](float s) { return !(std::fabs(s) <= largest); });
  feature_error("sample ", found - samples.begin(), " of ", samples.size(), " is ", *found, "; expected finite samples",
                std::isfinite(*found) ? " of a sensible size for sample_scale=" : " (sample_scale=",
                options_.frame.sample_scale, std::isfinite(*found) ? "" : ")",
                ": find what made it, or replace it by 0 before computing features");
}

void Fbank::compute(std::span<const float> samples, float* features) const {
  FbankStream stream(this);
  stream.feed(samples, features);
  stream.finish(features + stream.emitted_ * dim());
}

FbankStream::FbankStream(std::shared_ptr<const Fbank> fbank) : FbankStream(fbank.get()) { owner_ = std::move(fbank); }

FbankStream::FbankStream(const Fbank* fbank)
    : fbank_(fbank),
      room_(static_cast<float*>(
          ::operator new[](fbank->kernel_->room(fbank->plan_) * sizeof(float), std::align_val_t(64)))) {}

std::int64_t FbankStream::frames_after(std::int64_t samples, bool ended) const {
  return fbank_->framing_.count(received_ + samples, ended) - emitted_;
}

void FbankStream::feed(std::span<const float> samples, float* features) {
  fbank_->check(samples);
  // In blocks that stay in the cache, and make a batch of frames each.
  const std::size_t block = std::max<std::size_t>(4096, fbank_->lanes() * std::size_t(fbank_->framing_.shift()));
  while (!samples.empty()) {
    const std::size_t take = std::min(block, samples.size());
    append(samples.first(take));
    samples = samples.subspan(take);
    emit(fbank_->framing_.count(received_, false), !samples.empty(), features);
    forget();
  }
}

void FbankStream::finish(float* features) { emit(fbank_->framing_.count(received_, true), false, features); }

void FbankStream::append(std::span<const float> samples) {
  const FrameOptions& options = fbank_->options_.frame;
  const float scale = float(options.sample_scale);
  const std::size_t before = pending_.size();
  pending_.resize(before + samples.size());
  float* to = pending_.data() + before;
  for (std::size_t i = 0; i < samples.size(); ++i) to[i] = samples[i] * scale;
  if (options.dither != 0) {
    fbank_->kernel_->dither(to, std::int64_t(samples.size()), received_, float(options.dither), options.seed);
  }
  received_ += std::int64_t(samples.size());
}

void FbankStream::emit(std::int64_t ready, bool whole_batches, float*& features) {
  const Framing& framing = fbank_->framing_;
  while (emitted_ < ready) {
    const int count = int(std::min<std::int64_t>(fbank_->lanes(), ready - emitted_));
    if (whole_batches && count < fbank_->lanes()) break;
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
    fbank_->kernel_->frames(fbank_->plan_, samples, count, room_.get(), features);
    features += count * fbank_->dim();
    emitted_ += count;
  }
}

// Drops the samples that no later frame reads. The mirror image of the last frame may begin one sample before it.
void FbankStream::forget() {
  const std::int64_t needed = fbank_->framing_.first_sample(emitted_) - 1 - offset_;
  const std::int64_t gone = std::clamp<std::int64_t>(needed, 0, std::int64_t(pending_.size()));
  pending_.erase(pending_.begin(), pending_.begin() + gone);
  offset_ += gone;
}

}  // namespace sonant

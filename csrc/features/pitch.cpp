#include "features/pitch.h"

#include <algorithm>
#include <cmath>

#include "features/feature_error.h"

namespace sonant {

namespace {

constexpr int kBatch = 64;               // frames whose NCCF is resampled together
constexpr std::int64_t kTrimEvery = 1024;  // frames
constexpr int kMostStates = 65535;       // origins are 16 bits wide
// The square of a frame's energy is still far from overflow.
constexpr float kLargestSample = 0x1p24f;

void positive(const char* name, double value, const char* what) {
  if (!(value > 0 && std::isfinite(value))) feature_error(name, "=", value, "; expected ", what, " above 0");
}

void not_negative(const char* name, double value) {
  if (!(value >= 0 && std::isfinite(value))) feature_error(name, "=", value, "; expected 0 or more");
}

int whole_hertz(const char* name, double value) {
  positive(name, value, "a rate in Hz");
  if (value != std::floor(value) || value > 1e9) feature_error(name, "=", value, "; expected whole Hz");
  return int(value);
}

LinearResample downsample(const PitchOptions& o) {
  const int from = whole_hertz("sample_frequency", o.sample_frequency);
  const int to = whole_hertz("resample_frequency", o.resample_frequency);
  positive("lowpass_cutoff", o.lowpass_cutoff, "a frequency in Hz");
  if (2 * o.lowpass_cutoff > std::min(from, to)) {
    feature_error("lowpass_cutoff=", o.lowpass_cutoff, "; expected at most half of sample_frequency=", from,
                  " and of resample_frequency=", to);
  }
  if (o.lowpass_filter_width < 1) {
    feature_error("lowpass_filter_width=", o.lowpass_filter_width, "; expected 1 or more");
  }
  return LinearResample(from, to, o.lowpass_cutoff, o.lowpass_filter_width);
}

int samples_of(const char* name, double milliseconds, float rate) {
  positive(name, milliseconds, "milliseconds");
  const double samples = rate * float(milliseconds) / 1000.0;
  if (samples < 1 || samples > 1e6) {
    feature_error(name, "=", milliseconds, " ms is ", samples, " samples at resample_frequency=", rate,
                  "; expected 1 to a million");
  }
  return int(samples);
}

}  // namespace

PitchPlan::PitchPlan(const PitchOptions& o, int lanes)
    : options_(o),
      kernel_(signal_kernel(lanes)),
      downsample_(downsample(o)),
      window_(samples_of("frame_length", o.frame_length, float(o.resample_frequency))),
      shift_(samples_of("frame_shift", o.frame_shift, float(o.resample_frequency))) {
  if (!kernel_) feature_error("lanes=", lanes, "; expected 0, or 4, 8 or 16 where the processor has as many");
  positive("min_f0", o.min_f0, "a pitch in Hz");
  if (!(o.max_f0 > o.min_f0 && std::isfinite(o.max_f0))) {
    feature_error("max_f0=", o.max_f0, "; expected more than min_f0=", o.min_f0);
  }
  positive("delta_pitch", o.delta_pitch, "a relative step");
  not_negative("soft_min_f0", o.soft_min_f0);
  not_negative("penalty_factor", o.penalty_factor);
  not_negative("nccf_ballast", o.nccf_ballast);
  not_negative("max_frames_latency", o.max_frames_latency);
  not_negative("frames_per_chunk", o.frames_per_chunk);
  not_negative("recompute_frame", o.recompute_frame);
  if (!(o.preemphasis_coefficient >= 0 && o.preemphasis_coefficient <= 1)) {
    feature_error("preemphasis_coefficient=", o.preemphasis_coefficient, "; expected 0 to 1");
  }
  if (o.upsample_filter_width < 1) {
    feature_error("upsample_filter_width=", o.upsample_filter_width, "; expected 1 or more");
  }
  if (o.simulate_first_pass_online && o.frames_per_chunk == 0) {
    feature_error("simulate_first_pass_online=true with frames_per_chunk=0; expected frames_per_chunk above 0, ",
                  "as in the decoder that is simulated");
  }
  if (!(o.sample_scale > 0 && std::isfinite(o.sample_scale))) {
    feature_error("sample_scale=", o.sample_scale,
                  "; expected 32768 for samples in [-1, 1], or 1 for samples on the scale of 16-bit integers");
  }

  // Kaldi's options are floats, and so is the recursion of its lags.
  const float rate = float(o.resample_frequency), least = float(1.0 / float(o.max_f0));
  const float greatest = float(1.0 / float(o.min_f0));
  const double step = 1.0 + float(o.delta_pitch);
  if (!(float(least * step) > least) || std::log(greatest / least) / std::log(step) > kMostStates - 1) {
    feature_error("delta_pitch=", o.delta_pitch, " from min_f0=", o.min_f0, " to max_f0=", o.max_f0,
                  " makes too many steps; expected at most ", kMostStates);
  }
  for (float lag = least; lag <= greatest; lag = float(lag * step)) lags_.push_back(lag);
  const double margin = o.upsample_filter_width / (2.0 * rate);
  const double first = std::ceil(rate * (1.0 / float(o.max_f0) - margin));
  const double last = std::floor(rate * (1.0 / float(o.min_f0) + margin));
  if (first < 0 || last > 1e6) {
    feature_error("max_f0=", o.max_f0, " and min_f0=", o.min_f0, " with upsample_filter_width=",
                  o.upsample_filter_width, " need the correlation at lags ", first, " to ", last,
                  " of resample_frequency=", rate, "; expected 0 to a million: lower max_f0 or the width, or raise min_f0");
  }
  first_lag_ = int(first);
  last_lag_ = int(last);

  const float start = -first_lag_ / rate;
  std::vector<float> points(lags_);
  for (float& point : points) point += start;
  upsample_ = std::make_unique<ArbitraryResample>(last_lag_ + 1 - first_lag_, rate, float(rate * 0.5), points,
                                                  o.upsample_filter_width);
  soft_.resize(padded_to_tile(int(lags_.size())));
  for (std::size_t i = 0; i < lags_.size(); ++i) soft_[i] = float(o.soft_min_f0) * lags_[i];
  const double squared_step = std::pow(std::log(1.0 + float(o.delta_pitch)), 2.0);
  factor_ = float(std::min(squared_step * float(o.penalty_factor), 1e30));  // 0 times infinity would be no cost
  const double chunk = o.frames_per_chunk * float(o.sample_frequency) * float(o.frame_shift) / 1000.0f;
  if (chunk > 1e9 || (chunk < 1 && o.frames_per_chunk > 0)) {
    feature_error("frames_per_chunk=", o.frames_per_chunk, " is ", chunk, " samples; expected 1 to a billion");
  }
  chunk_samples_ = int(chunk);
}

void PitchPlan::check(std::span<const float> samples) const {
  const float largest = kLargestSample / float(options_.sample_scale);
  int bad = 0;
  for (const float sample : samples) bad |= !(std::fabs(sample) <= largest);  // also true of NaN
  if (!bad) return;
  const auto found = std::find_if(samples.begin(), samples.end(), [&](float s) { return !(std::fabs(s) <= largest); });
  feature_error("sample ", found - samples.begin(), " of ", samples.size(), " is ", *found, "; expected finite samples",
                std::isfinite(*found) ? " of a sensible size for sample_scale=" : " (sample_scale=",
                options_.sample_scale, std::isfinite(*found) ? "" : ")",
                ": find what made it, or replace it by 0 before computing features");
}

PitchTracker::PitchTracker(const PitchPlan* plan)
    : plan_(plan), kernel_(plan->kernel_), resampler_(&plan->downsample_, kernel_) {
  const int states = int(plan->lags_.size()), lags = plan->last_lag_ + 1 - plan->first_lag_;
  row_ = std::size_t(std::max(padded_to_tile(lags), plan->upsample_->padded_inputs()));
  costs_.resize(padded_to_tile(states) + kTile);
  next_.resize(costs_.size());
  wave_.resize(plan->window_ + plan->first_lag_ + padded_to_tile(lags));
  batch_.resize(kBatch * row_);
  upsampled_.resize(std::size_t(kBatch) * plan->upsample_->padded_outputs());
  path_.push_back(-1);
  trim_at_ = kTrimEvery;
}

void PitchTracker::append(std::span<const float> samples) {
  plan_->check(samples);
  const float scale = float(plan_->options_.sample_scale);
  constexpr std::size_t kBlock = 1 << 14;
  while (!samples.empty()) {
    const auto block = samples.first(std::min(kBlock, samples.size()));
    scaled_.resize(block.size());
    for (std::size_t i = 0; i < block.size(); ++i) scaled_[i] = block[i] * scale;
    resampler_.resample(scaled_, false, signal_);
    samples = samples.subspan(block.size());
  }
}

std::int64_t PitchTracker::first_sample(std::int64_t frame) const {
  const std::int64_t shift = plan_->shift_;
  if (plan_->options_.snip_edges) return frame * shift;
  return (2 * frame + 1) * shift / 2 - (plan_->window_ + plan_->last_lag_) / 2;
}

std::int64_t PitchTracker::frames_available() const {
  const std::int64_t samples = signal_offset_ + std::int64_t(signal_.size()), shift = plan_->shift_;
  // At the end of the input, frames count as complete whose lagged part reaches beyond it.
  const std::int64_t length = plan_->window_ + (finished_ ? 0 : plan_->last_lag_);
  if (samples < length) return 0;
  if (plan_->options_.snip_edges) return (samples - length) / shift + 1;
  if (finished_) return (2 * samples + shift) / (2 * shift);
  std::int64_t frames = (2 * (samples - length / 2) + shift) / (2 * shift);
  while (frames > 0 && first_sample(frames - 1) + length > samples) --frames;
  return frames;
}

// The frame's samples into wave_, zeros where there are none.
void PitchTracker::extract(std::int64_t frame) {
  const std::int64_t first = first_sample(frame), full = plan_->window_ + plan_->last_lag_;
  const std::int64_t from = std::max<std::int64_t>(0, -first);
  const std::int64_t to = std::min(full, signal_offset_ + std::int64_t(signal_.size()) - first);
  std::fill(wave_.begin(), wave_.end(), 0.0f);
  if (to <= from) return;
  std::copy_n(signal_.begin() + (first + from - signal_offset_), to - from, wave_.begin() + from);
  const float c = float(plan_->options_.preemphasis_coefficient);
  if (c == 0) return;
  for (std::int64_t i = to - 1; i > from; --i) wave_[i] -= c * wave_[i - 1];
  wave_[from] *= 1.0f - c;
}

void PitchTracker::measure(std::int64_t frame, float* nccf, double mean_square) {
  const PitchOptions& o = plan_->options_;
  extract(frame);
  voicing_.resize(voicing_.size() + row_);
  const double ballast = std::pow(mean_square * plan_->window_, 2) * float(o.nccf_ballast);
  const float mean_norm =
      kernel_->correlate(wave_.data(), plan_->window_, plan_->first_lag_, plan_->last_lag_ + 1 - plan_->first_lag_,
                         float(ballast), nccf, voicing_.data() + (voicing_.size() - row_));
  if (frame < o.recompute_frame && !o.nccf_ballast_online) {
    measured_.push_back({mean_norm, float(mean_square), {nccf, nccf + row_}});
  }
}

void PitchTracker::step(const float* upsampled, std::int64_t frame) {
  const std::size_t states = plan_->lags_.size();
  std::uint16_t* from = origins_.data() + std::size_t(frame - kept_) * states;
  kernel_->search(costs_.data(), upsampled, plan_->soft_.data(), int(states), plan_->factor_, next_.data(), from);
  costs_.swap(next_);
}

void PitchTracker::advance() {
  const PitchOptions& o = plan_->options_;
  const std::int64_t samples = signal_offset_ + std::int64_t(signal_.size());
  const auto chunk = std::span(signal_).subspan(std::size_t(chunk_start_ - signal_offset_));
  double sum = sum_, squares = square_sum_;
  for (const float sample : chunk) {
    sum_ += sample;
    square_sum_ += double(sample) * sample;
  }
  std::int64_t counted = chunk_start_;  // how many samples `sum` and `squares` are over
  const std::int64_t before = chunk_start_;
  chunk_start_ = samples;
  const std::int64_t end = frames_available();
  if (end <= frames_) return;
  if (!o.nccf_ballast_online) {
    sum = sum_;
    squares = square_sum_;
    counted = samples;
  }

  const std::size_t states = plan_->lags_.size(), width = std::size_t(plan_->upsample_->padded_outputs());
  while (frames_ < end) {
    const int count = int(std::min<std::int64_t>(kBatch, end - frames_));
    for (int i = 0; i < count; ++i) {
      if (o.nccf_ballast_online) {  // the energy up to the end of the frame
        const std::int64_t until =
            std::min(samples, first_sample(frames_ + i) + plan_->window_ + plan_->last_lag_);
        for (; counted < until; ++counted) {
          const double sample = chunk[std::size_t(counted - before)];
          sum += sample;
          squares += sample * sample;
        }
      }
      const double n = double(std::max<std::int64_t>(1, counted)), mean = sum / n;
      measure(frames_ + i, batch_.data() + std::size_t(i) * row_, squares / n - mean * mean);
    }
    plan_->upsample_->sorted(*kernel_, batch_.data(), std::ptrdiff_t(row_), upsampled_.data(), count);
    origins_.resize(std::size_t(frames_ + count - kept_) * states + 2 * kTile);
    for (int i = 0; i < count; ++i) {
      step(upsampled_.data() + std::size_t(i) * width, frames_);
      path_.push_back(-1);
      nccf_.push_back(0.0f);
      ++frames_;
      if (frames_ == o.recompute_frame && !o.nccf_ballast_online) revise();
    }
    if (measured_.empty() && frames_ < end && frames_ >= trim_at_) {
      backtrack();
      trim();
    }
  }
  backtrack();
  set_latency();
  trim();

  const std::int64_t unused = std::clamp<std::int64_t>(first_sample(frames_), signal_offset_, samples);
  signal_.erase(signal_.begin(), signal_.begin() + (unused - signal_offset_));
  signal_offset_ = unused;
}

void PitchTracker::finish() {
  finished_ = true;
  resampler_.resample({}, true, signal_);
  advance();
  if (frames_ < plan_->options_.recompute_frame && !plan_->options_.nccf_ballast_online) revise();
  latency_ = 0;
}

// The best path to the last frame, back to where it meets the path of the time before.
void PitchTracker::backtrack() {
  int state = int(std::min_element(costs_.begin(), costs_.begin() + plan_->lags_.size()) - costs_.begin());
  for (std::int64_t frame = frames_ - 1; path_[std::size_t(frame + 1)] != state; --frame) {
    path_[std::size_t(frame + 1)] = state;
    if (frame < 0) return;
    nccf_[std::size_t(frame)] = plan_->upsample_->at(voicing(frame), state);
    state = origins(frame)[state];
  }
}

// How many frames it takes until the best paths into the first and the last state, and so all of them, have met.
void PitchTracker::set_latency() {
  latency_ = 0;
  std::size_t low = 0, high = plan_->lags_.size() - 1;
  for (std::int64_t frame = frames_ - 1; frame >= kept_ && latency_ < plan_->options_.max_frames_latency; --frame) {
    low = origins(frame)[low];
    high = origins(frame)[high];
    if (low == high) return;
    ++latency_;
  }
}

// With the energy of all that has been seen, the NCCF of the first frames would have been scaled: does so, and searches
// again.
void PitchTracker::revise() {
  const double samples = double(signal_offset_ + std::int64_t(signal_.size())), mean = sum_ / samples;
  const float mean_square = float(square_sum_ / samples - mean * mean);
  const bool needed = std::any_of(measured_.begin(), measured_.end(), [&](const Measured& m) {
    return !(std::fabs(m.mean_square - mean_square) <=
             0.01f * (std::fabs(m.mean_square) + std::fabs(mean_square)));
  });
  if (needed) {
    const auto ballast = [&](float square) {
      return float(std::pow(double(square * plan_->window_), 2.0) * float(plan_->options_.nccf_ballast));
    };
    std::fill(costs_.begin(), costs_.end(), 0.0f);
    std::vector<float> upsampled(std::size_t(plan_->upsample_->padded_outputs()));
    for (std::int64_t frame = 0; frame < frames_; ++frame) {
      Measured& m = measured_[std::size_t(frame)];
      const float scale =
          std::sqrt((ballast(m.mean_square) + m.mean_norm) / (ballast(mean_square) + m.mean_norm));
      plan_->upsample_->sorted(*kernel_, m.nccf.data(), std::ptrdiff_t(row_), upsampled.data(), 1);
      for (float& value : upsampled) value *= std::isfinite(scale) ? scale : 1.0f;
      step(upsampled.data(), frame);
    }
    std::fill(path_.begin(), path_.end(), -1);
    backtrack();
    set_latency();
  }
  measured_.clear();
}

// Forgets what leads to frames that all paths go through.
void PitchTracker::trim() {
  if (frames_ < trim_at_ || !measured_.empty()) return;
  trim_at_ = frames_ + std::max(kTrimEvery, frames_ - kept_);  // in silence paths do not meet: look less often
  std::size_t low = 0, high = plan_->lags_.size() - 1;
  for (std::int64_t frame = frames_ - 1; frame > kept_; --frame) {
    low = origins(frame)[low];
    high = origins(frame)[high];
    if (low != high) continue;
    if (path_[std::size_t(frame)] != int(low)) return;
    const auto gone = frame - kept_;
    origins_.erase(origins_.begin(), origins_.begin() + gone * std::ptrdiff_t(plan_->lags_.size()));
    voicing_.erase(voicing_.begin(), voicing_.begin() + gone * std::ptrdiff_t(row_));
    kept_ = frame;
    trim_at_ = frames_ + kTrimEvery;
    return;
  }
}

void PitchTracker::track(std::int64_t begin, std::int64_t end, float* out) const {
  for (std::int64_t frame = begin; frame < end; ++frame) {
    *out++ = nccf_[std::size_t(frame)];
    *out++ = plan_->pitch(path_[std::size_t(frame + 1)]);
  }
}

Pitch::Pitch(const PitchOptions& options, const std::optional<ProcessPitchOptions>& process, int lanes)
    : plan_(options, lanes) {
  if (process) process_.emplace(*process);
}

std::vector<float> Pitch::compute(std::span<const float> samples) const {
  PitchStream stream(this);
  std::vector<float> features = stream.feed(samples);
  const std::vector<float> last = stream.finish();
  if (!plan_.options().simulate_first_pass_online) return stream.final_features();
  features.insert(features.end(), last.begin(), last.end());
  return features;
}

PitchStream::PitchStream(std::shared_ptr<const Pitch> pitch) : PitchStream(pitch.get()) { owner_ = std::move(pitch); }

PitchStream::PitchStream(const Pitch* pitch) : pitch_(pitch), tracker_(&pitch->plan()) {}

std::int64_t PitchStream::ready() const {
  const std::int64_t frames = tracker_.frames_ready();
  return pitch_->process() ? pitch_->process()->frames_ready(frames, tracker_.finished()) : frames;
}

std::vector<float> PitchStream::features(std::int64_t begin, std::int64_t end) const {
  std::vector<float> found(std::size_t(std::max<std::int64_t>(0, end - begin)) * pitch_->dim());
  if (!pitch_->process()) {
    tracker_.track(begin, end, found.data());
  } else if (begin < end) {
    const std::int64_t frames = tracker_.frames_ready();
    const auto context = pitch_->process()->context({begin, end}, frames);
    std::vector<float> track(std::size_t(context.end - context.begin) * 2);
    tracker_.track(context.begin, context.end, track.data());
    pitch_->process()->compute(track.data(), {begin, end}, frames, found.data());
  }
  return found;
}

void PitchStream::emit(std::vector<float>& to) {
  const std::int64_t end = ready();
  if (end <= emitted_) return;
  const std::vector<float> found = features(emitted_, end);
  to.insert(to.end(), found.begin(), found.end());
  emitted_ = end;
}

std::vector<float> PitchStream::feed(std::span<const float> samples) {
  std::vector<float> found;
  const auto chunk = std::size_t(pitch_->plan().chunk_samples());
  if (chunk == 0) {
    tracker_.append(samples);
    return found;
  }
  pitch_->plan().check(samples);
  // A chunk is taken when something follows it: the last one ends together with the waveform.
  while (pending_.size() + samples.size() > chunk) {
    const std::size_t take = chunk - pending_.size();
    pending_.insert(pending_.end(), samples.begin(), samples.begin() + take);
    samples = samples.subspan(take);
    tracker_.append(pending_);
    tracker_.advance();
    pending_.clear();
    emit(found);
  }
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  return found;
}

std::vector<float> PitchStream::finish() {
  std::vector<float> found;
  tracker_.append(pending_);
  tracker_.advance();
  tracker_.finish();
  emit(found);
  return found;
}

std::vector<float> PitchStream::final_features() const { return features(0, ready()); }

}  // namespace sonant

#include "features/resample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "features/feature_error.h"

namespace sonant {

namespace {

constexpr std::size_t kLargestTable = 1 << 20;  // floats; beyond, outputs are computed one by one
constexpr std::int64_t kMostWeights = 1 << 26;
constexpr std::int64_t kBlock = 1 << 14;        // inputs taken at a time

// The weight of an input `t` seconds from the output, in Kaldi's precision.
float weight(float t, float cutoff, int num_zeros, float rate) {
  constexpr double pi = std::numbers::pi;
  if (!(std::fabs(t) < num_zeros / (2.0 * cutoff))) return 0.0f;
  const float window = float(0.5 * (1 + std::cos(2 * pi * cutoff / num_zeros * t)));
  const float sinc = t != 0 ? float(std::sin(2 * pi * cutoff * t) / (pi * t)) : 2 * cutoff;
  return sinc * window / rate;
}

void check(double rate, const char* name, double cutoff, int num_zeros) {
  if (!(cutoff > 0 && 2 * cutoff <= rate)) {
    feature_error("cutoff=", cutoff, " Hz with ", name, "=", rate, " Hz; expected more than 0, at most half the rate");
  }
  if (num_zeros < 1) feature_error("num_zeros=", num_zeros, "; expected 1 or more");
}

int rounded_up(std::int64_t count, int multiple) { return int((count + multiple - 1) / multiple * multiple); }

}  // namespace

ArbitraryResample::ArbitraryResample(int num_inputs, double rate, double cutoff, std::span<const float> points,
                                     int num_zeros)
    : num_inputs_(num_inputs) {
  if (num_inputs < 1) feature_error("num_samples_in=", num_inputs, "; expected 1 or more");
  check(rate, "the sampling rate", cutoff, num_zeros);
  for (const float point : points) {
    if (!(std::fabs(point) < 1e6f)) feature_error("sample point ", point, "; expected a time in seconds");
  }
  order_.resize(points.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) { return points[a] < points[b]; });

  const float frequency = float(rate), width = float(num_zeros / (2.0 * float(cutoff)));
  for (const int which : order_) {
    const float t = points[which];
    const double from = std::ceil(frequency * (t - width)), to = std::floor(frequency * (t + width));
    const int first = int(std::clamp(from, 0.0, double(num_inputs)));
    const int last = int(std::clamp(to, -1.0, double(num_inputs - 1)));
    first_.push_back(std::min(first, num_inputs - 1));
    count_.push_back(std::max(0, last - first + 1));
    start_.push_back(weights_.size());
    if (std::int64_t(weights_.size()) + count_.back() > kMostWeights) {
      feature_error(points.size(), " sample points with a window of ", width * 2,
                    " s need too many weights; expected a higher cutoff or fewer zeros");
    }
    for (int i = first; i <= last; ++i) {
      weights_.push_back(weight(float(t - i / frequency), float(cutoff), num_zeros, frequency));
    }
  }

  // Neighbours share a tile as long as that is not much wider than each of them.
  const int outputs = num_outputs();
  for (int output = 0, end; output < outputs; output = end) {
    int last = first_[output] + count_[output];
    const int widest = 4 * (kTile + 2 * int(std::min(std::ceil(frequency * width), 1e6f)));
    for (end = output + 1; end < outputs && end < output + kTile; ++end) {
      if (first_[end] < first_[output] || first_[end] + count_[end] - first_[output] > widest) break;
      last = std::max(last, first_[end] + count_[end]);
    }
    const Tile tile{first_[output], rounded_up(last - first_[output], 4), output, tile_weights_.size()};
    tile_weights_.resize(tile.weights + std::size_t(tile.taps) * kTile);
    for (int k = output; k < end; ++k) {
      for (int i = 0; i < count_[k]; ++i) {
        tile_weights_[tile.weights + std::size_t(first_[k] - tile.input + i) * kTile + (k - output)] =
            weights_[start_[k] + i];
      }
    }
    tiles_.push_back(tile);
    padded_inputs_ = std::max(padded_inputs_, tile.input + tile.taps);
    padded_outputs_ = std::max(padded_outputs_, output + kTile);
  }
  padded_inputs_ = std::max(padded_inputs_, num_inputs);
  padded_outputs_ = std::max(padded_outputs_, padded_to_tile(outputs));
}

void ArbitraryResample::sorted(const SignalKernel& kernel, const float* in, std::ptrdiff_t in_step, float* out,
                               int rows) const {
  // In ascending order: what a tile of fewer than kTile outputs writes behind them is overwritten by the next.
  for (const Tile& tile : tiles_) {
    kernel.band(tile_weights_.data() + tile.weights, tile.taps, in + tile.input, in_step, out + tile.output,
                padded_outputs_, rows);
  }
}

void ArbitraryResample::resample(const float* in, float* out, std::int64_t rows) const {
  const SignalKernel& kernel = *signal_kernel();
  std::vector<float> row(padded_inputs_), results(padded_outputs_);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(in + r * num_inputs_, num_inputs_, row.begin());
    sorted(kernel, row.data(), padded_inputs_, results.data(), 1);
    for (std::size_t k = 0; k < order_.size(); ++k) out[r * num_outputs() + order_[k]] = results[k];
  }
}

float ArbitraryResample::at(const float* in, int output) const {
  float sum = 0;
  for (int i = 0; i < count_[output]; ++i) sum += in[first_[output] + i] * weights_[start_[output] + i];
  return sum;
}

LinearResample::LinearResample(int rate_in, int rate_out, double cutoff, int num_zeros)
    : rate_in_(rate_in), rate_out_(rate_out) {
  if (rate_in < 1 || rate_out < 1) {
    feature_error("rates of ", rate_in, " and ", rate_out, " Hz; expected whole numbers above 0");
  }
  check(rate_in, "the rate of the input", cutoff, num_zeros);
  check(rate_out, "the rate of the output", cutoff, num_zeros);
  const float frequency = float(cutoff);
  window_ = num_zeros / (2.0 * frequency);
  const int common = std::gcd(rate_in, rate_out);
  unit_in_ = rate_in / common;
  unit_out_ = rate_out / common;

  const double taps = std::min(2 * window_ * rate_in, double(kMostWeights));  // which may be any number
  const std::int64_t widest = std::int64_t(taps) + 2;
  if (unit_out_ * rounded_up(widest, kTile) > kMostWeights) {
    feature_error("from ", rate_in, " to ", rate_out, " Hz with cutoff=", cutoff, " Hz and num_zeros=", num_zeros,
                  " needs too many weights; expected rates with a greater common divisor (", common,
                  "), a higher cutoff or fewer zeros");
  }
  phase_taps_ = rounded_up(widest, kTile);
  phase_weights_.resize(std::size_t(unit_out_) * phase_taps_);
  for (std::int64_t phase = 0; phase < unit_out_; ++phase) {
    const double t = phase / double(rate_out);
    const auto first = std::int64_t(std::ceil((t - window_) * rate_in));
    const auto last = std::int64_t(std::floor((t + window_) * rate_in));
    for (std::int64_t i = first; i <= last; ++i) {
      phase_weights_[std::size_t(phase * phase_taps_ + i - first)] =
          weight(float(i / double(rate_in) - t), frequency, num_zeros, float(rate_in));
    }
    phase_first_.push_back(first);
    last_ = std::max(last_, last);
  }
  first_ = phase_first_.front();

  cycle_out_ = std::lcm(std::int64_t(kTile), unit_out_);
  cycle_in_ = cycle_out_ / unit_out_ * unit_in_;
  const std::int64_t taps_of_tile = kTile * unit_in_ / unit_out_ + widest + 4;
  if (cycle_out_ * taps_of_tile > std::int64_t(kLargestTable)) return;
  const auto first_of = [&](std::int64_t out) { return phase_first_[out % unit_out_] + out / unit_out_ * unit_in_; };
  for (std::int64_t out = 0; out < cycle_out_; out += kTile) {
    const std::int64_t first = first_of(out), end = first_of(out + kTile - 1) + widest;
    const Tile tile{first, rounded_up(end - first, 4), tile_weights_.size()};
    tile_weights_.resize(tile.weights + std::size_t(tile.taps) * kTile);
    for (int k = 0; k < kTile; ++k) {
      const float* weights = phase_weights_.data() + (out + k) % unit_out_ * phase_taps_;
      for (std::int64_t i = 0; i < widest; ++i) {
        tile_weights_[tile.weights + std::size_t(first_of(out + k) - first + i) * kTile + k] = weights[i];
      }
    }
    tiles_.push_back(tile);
  }
}

std::int64_t LinearResample::count(std::int64_t inputs, bool flush) const {
  // In ticks of the rates' least common multiple.
  const std::int64_t ticks = std::lcm(std::int64_t(rate_in_), std::int64_t(rate_out_));
  std::int64_t length = inputs * (ticks / rate_in_);
  if (!flush) length -= std::int64_t(std::floor(float(window_) * float(ticks)));
  if (length <= 0) return 0;
  return (length - 1) / (ticks / rate_out_) + 1;  // the outputs before the end
}

LinearResampler::LinearResampler(const LinearResample* resample, const SignalKernel* kernel)
    : plan_(resample), kernel_(kernel) {
  reset();
}

void LinearResampler::reset() {
  received_ = emitted_ = 0;
  // Zeros before the first sample, as many as a window or a tile can begin before it.
  offset_ = plan_->first_;
  pending_.assign(std::size_t(-offset_), 0.0f);
}

void LinearResampler::resample(std::span<const float> samples, bool flush, std::vector<float>& out) {
  bool more = true;
  while (more) {
    const auto take = std::min<std::int64_t>(kBlock, std::int64_t(samples.size()));
    pending_.insert(pending_.end(), samples.begin(), samples.begin() + take);
    samples = samples.subspan(std::size_t(take));
    received_ += take;
    more = !samples.empty();
    emit(plan_->count(received_, flush && !more), out);
  }
  if (flush) reset();
}

void LinearResampler::emit(std::int64_t end, std::vector<float>& out) {
  if (end <= emitted_) return;
  const LinearResample& plan = *plan_;
  const auto unit_of = [&](std::int64_t o) { return o / plan.unit_out_ * plan.unit_in_; };
  const auto first_of = [&](std::int64_t o) { return plan.phase_first_[o % plan.unit_out_] + unit_of(o); };
  // Zeros after the last sample, for windows that end behind it (flush) and outputs of a tile that are not wanted yet.
  const std::size_t before = pending_.size();
  const std::int64_t behind = first_of(end + kTile) + plan.phase_taps_ + kTile - offset_;
  pending_.resize(std::max(before, std::size_t(behind)), 0.0f);
  const std::size_t at = out.size();
  out.resize(at + std::size_t(end - emitted_));
  float* to = out.data() + at;

  if (plan.tiles_.empty()) {
    for (std::int64_t o = emitted_; o < end; ++o) {
      const float* weights = plan.phase_weights_.data() + o % plan.unit_out_ * plan.phase_taps_;
      *to++ = kernel_->dot(weights, pending_.data() + (first_of(o) - offset_), plan.phase_taps_);
    }
  } else {
    const auto tiles = std::int64_t(plan.tiles_.size());
    const std::int64_t from = emitted_ / kTile, until = (end + kTile - 1) / kTile;
    tiles_.resize(std::size_t((until - from) * kTile));
    for (std::int64_t block = from; block < std::min(until, from + tiles); ++block) {
      const LinearResample::Tile& tile = plan.tiles_[std::size_t(block % tiles)];
      const std::int64_t input = tile.input + block / tiles * plan.cycle_in_ - offset_;
      kernel_->band(plan.tile_weights_.data() + tile.weights, tile.taps, pending_.data() + input, plan.cycle_in_,
                    tiles_.data() + (block - from) * kTile, plan.cycle_out_, int((until - block + tiles - 1) / tiles));
    }
    std::copy_n(tiles_.begin() + (emitted_ - from * kTile), end - emitted_, to);
  }
  emitted_ = end;

  pending_.resize(before);
  const std::int64_t needed = first_of(emitted_ / kTile * kTile) - offset_;
  const std::int64_t gone = std::clamp<std::int64_t>(needed, 0, std::int64_t(before));
  pending_.erase(pending_.begin(), pending_.begin() + gone);
  offset_ += gone;
}

LinearResample downsampling(int rate_in, int rate_out) {
  return LinearResample(rate_in, rate_out, float(0.99 * 0.5 * std::min(rate_in, rate_out)), 6);
}

}  // namespace sonant

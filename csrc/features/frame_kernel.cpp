#include "features/frame_kernel.h"

#include <algorithm>
#include <limits>

#include "features/cepstrum.h"
#include "features/dither.h"
#include "files/transpose.h"

namespace sonant {

namespace {

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();
constexpr float kSmallest = std::numeric_limits<float>::min();

// In vectors: the samples, their power spectrum, the columns, and room for one step at a time.
SONANT_INLINE std::size_t room_vectors(const FramePlan& plan) {
  const int steps = std::max(2 * plan.fft.widest_odd_radix, plan.bins + 4 * (plan.lpc_order + 1));
  return plan.fft.size + plan.fft.half + 1 + plan.dim + steps;
}

template <int W>
SONANT_INLINE void gather(const FramePlan& plan, const float* samples, int count, LanesF<W>* x) {
  const int length = int(plan.window.size());
  float* to = reinterpret_cast<float*>(x);
  const float* from[W];
  // Idle lanes repeat the last frame; nobody reads what they compute.
  for (int lane = 0; lane < W; ++lane) from[lane] = samples + std::ptrdiff_t(std::min(lane, count - 1)) * plan.shift;
  int i = 0;
  for (; i + W <= length; i += W) {
    LanesF<W> rows[W];
    for (int lane = 0; lane < W; ++lane) rows[lane] = load<W>(from[lane] + i);
    transpose<W>(rows);
    for (int k = 0; k < W; ++k) x[i + k] = rows[k];
  }
  for (; i < length; ++i) {
    for (int lane = 0; lane < W; ++lane) to[i * W + lane] = from[lane][i];
  }
}

// The way back: `dim` vectors to (count, dim).
template <int W>
SONANT_INLINE void scatter(const LanesF<W>* columns, int dim, int count, float* out) {
  const float* from = reinterpret_cast<const float*>(columns);
  int i = 0;
  for (; i + W <= dim; i += W) {
    LanesF<W> rows[W];
    for (int k = 0; k < W; ++k) rows[k] = columns[i + k];
    transpose<W>(rows);
    for (int frame = 0; frame < count; ++frame) store<W>(rows[frame], out + std::ptrdiff_t(frame) * dim + i);
  }
  for (int frame = 0; frame < count; ++frame) {
    for (int k = i; k < dim; ++k) out[std::ptrdiff_t(frame) * dim + k] = from[k * W + frame];
  }
}

template <int W>
SONANT_INLINE LanesF<W> log_energy(const FramePlan& plan, const LanesF<W>& energy) {
  return maximum<W>(logarithm<W>(maximum<W>(energy, kEpsilon)), plan.log_energy_floor);
}

// Sums of four, so that no addition waits for the one before it.
template <int W, typename Term>
SONANT_INLINE LanesF<W> sum_of(int count, Term term) {
  LanesF<W> sums[4] = {};
  int i = 0;
  for (; i + 4 <= count; i += 4) {
    for (int k = 0; k < 4; ++k) sums[k] += term(i + k);
  }
  for (; i < count; ++i) sums[0] += term(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Preemphasis and window, in place; returns the energy before or after them.
template <int W, FramePlan::Energy kEnergy>
SONANT_INLINE LanesF<W> shape_frames(const FramePlan& plan, const LanesF<W>& mean, LanesF<W>* x) {
  using F = LanesF<W>;
  const float* window = plan.window.data();
  const float coefficient = plan.preemphasis;
  F previous = x[0] - mean;  // Kaldi preemphasises the first sample with itself
  return sum_of<W>(int(plan.window.size()), [&](int i) __attribute__((always_inline)) {
    const F sample = x[i] - mean;
    const F windowed = (sample - previous * coefficient) * window[i];
    previous = sample;
    x[i] = windowed;
    if constexpr (kEnergy == FramePlan::Energy::raw) return sample * sample;
    if constexpr (kEnergy == FramePlan::Energy::windowed) return windowed * windowed;
    if constexpr (kEnergy == FramePlan::Energy::none) return F{};
  });
}

// Offset, preemphasis and window, in place; returns the energy that the options ask for.
template <int W>
SONANT_INLINE LanesF<W> window_frames(const FramePlan& plan, LanesF<W>* x) {
  using F = LanesF<W>;
  using Energy = FramePlan::Energy;
  const int length = int(plan.window.size());
  F mean{};
  if (plan.remove_dc_offset) {
    mean = sum_of<W>(length, [&](int i) __attribute__((always_inline)) { return x[i]; }) / float(length);
  }
  for (int i = length; i < plan.fft.size; ++i) x[i] = F{};
  if (plan.energy == Energy::raw) return shape_frames<W, Energy::raw>(plan, mean, x);
  if (plan.energy == Energy::windowed) return shape_frames<W, Energy::windowed>(plan, mean, x);
  return shape_frames<W, Energy::none>(plan, mean, x);
}

template <int W>
SONANT_INLINE void filter(const FramePlan& plan, const MelBanks& banks, LanesF<W>* power, LanesF<W>* out) {
  using F = LanesF<W>;
  if (!plan.use_power) {
    for (int k = 0; k < plan.fft.half; ++k) power[k] = square_root<W>(power[k]);
  }
  for (int bin = 0; bin < plan.bins; ++bin) {
    const float* weights = banks.weights.data() + banks.start[bin];
    const F* spectrum = power + banks.first[bin];
    F sum{};
    for (int i = 0; i < banks.size[bin]; ++i) sum += spectrum[i] * weights[i];
    sum = maximum<W>(sum, plan.floor);
    out[bin] = plan.use_log ? logarithm<W>(sum) : sum;
  }
}

// out[r] = sum over c of matrix[r, c] * x[c]. Four rows at a time share what is read of x.
template <int W>
SONANT_INLINE void product(const std::vector<float>& matrix, int columns, const LanesF<W>* x, LanesF<W>* out) {
  using F = LanesF<W>;
  const int rows = int(matrix.size()) / columns;
  int row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* m = matrix.data() + std::ptrdiff_t(row) * columns;
    F sums[4] = {};
    for (int c = 0; c < columns; ++c) {
      for (int k = 0; k < 4; ++k) sums[k] += x[c] * m[std::ptrdiff_t(k) * columns + c];
    }
    for (int k = 0; k < 4; ++k) out[row + k] = sums[k];
  }
  for (; row < rows; ++row) {
    const float* m = matrix.data() + std::ptrdiff_t(row) * columns;
    F sum{};
    for (int c = 0; c < columns; ++c) sum += x[c] * m[c];
    out[row] = sum;
  }
}

// x^y for x that is not negative; 0 where x is, or is so small that it is no normal number. Held within float's range.
template <int W>
SONANT_INLINE LanesF<W> power_of(const LanesF<W>& x, float y) {
  const LanesF<W> smallest = broadcast<W>(kSmallest);
  return x < smallest ? LanesF<W>{} : exponential<W>(logarithm<W>(maximum<W>(x, kSmallest)) * y);
}

// Perceptual linear prediction (Hermansky 1990): what the ear makes of the filters' powers, as an all-pole spectrum.
template <int W>
SONANT_INLINE void plp(const FramePlan& plan, const MelBanks& banks, LanesF<W>* bands, LanesF<W>* out) {
  using F = LanesF<W>;
  const int order = plan.lpc_order;
  F *autocorrelation = bands + plan.bins, *predictor = autocorrelation + order + 1, *room = predictor + order;
  F* cepstrum = room + order;
  for (int bin = 0; bin < plan.bins; ++bin) {
    bands[bin] = power_of<W>(bands[bin] * banks.loudness[bin], plan.compress);
  }
  product<W>(plan.matrix, plan.bins, bands, autocorrelation);
  const F residual = durbin<F>(order, autocorrelation, predictor, room);
  predictor_cepstrum<F>(plan.dim - 1, predictor, cepstrum);
  // Kaldi holds the logarithm itself above epsilon, not what it is taken of.
  const F zeroth = maximum<W>(logarithm<W>(maximum<W>(residual, kSmallest)), kEpsilon);
  out[plan.zeroth_column] = zeroth * plan.lifter[0];
  for (int i = 1; i < plan.dim; ++i) out[plan.first_column + i - 1] = cepstrum[i - 1] * plan.lifter[i];
}

// From a windowed frame, which it overwrites, and its energy to the columns.
template <int W>
SONANT_INLINE void finish_frames(const FramePlan& plan, const MelBanks& banks, const LanesF<W>& energy, int count,
                                 LanesF<W>* x, float* out) {
  using F = LanesF<W>;
  using Feature = FramePlan::Feature;
  F* power = x + plan.fft.size;
  F* columns = power + plan.fft.half + 1;
  F* room = columns + plan.dim;

  transform<W>(plan.fft, x, room);
  if (plan.feature == Feature::fourier) {
    complex_spectrum<W>(plan.fft, x, columns);
  } else {
    power_spectrum<W>(plan.fft, x, power);
    switch (plan.feature) {
      case Feature::fbank:
        filter<W>(plan, banks, power, columns + plan.first_column);
        break;
      case Feature::mfcc:
        filter<W>(plan, banks, power, room);
        product<W>(plan.matrix, plan.bins, room, columns);
        break;
      case Feature::plp:
        filter<W>(plan, banks, power, room);
        plp<W>(plan, banks, room, columns);
        break;
      default:  // of the spectrogram; the energy takes the place of the first
        for (int k = 1; k < plan.dim; ++k) columns[k] = logarithm<W>(maximum<W>(power[k], kEpsilon));
    }
  }
  if (plan.energy != FramePlan::Energy::none) columns[plan.energy_column] = log_energy<W>(plan, energy);

  scatter<W>(columns, plan.dim, count, out);
}

template <int W>
SONANT_INLINE void compute_frames(const FramePlan& plan, const MelBanks& banks, const float* samples, int count,
                                  float* room, float* out) {
  LanesF<W>* x = reinterpret_cast<LanesF<W>*>(room);
  gather<W>(plan, samples, count, x);
  const LanesF<W> energy = window_frames<W>(plan, x);
  finish_frames<W>(plan, banks, energy, count, x, out);
}

template <int W>
SONANT_INLINE void compute_windowed(const FramePlan& plan, const MelBanks& banks, const float* samples, float* room,
                                    float* out) {
  LanesF<W>* x = reinterpret_cast<LanesF<W>*>(room);
  for (int i = 0; i < plan.fft.size; ++i) x[i] = broadcast<W>(samples[i]);
  const LanesF<W> energy =
      sum_of<W>(plan.fft.size, [&](int i) __attribute__((always_inline)) { return x[i] * x[i]; });
  finish_frames<W>(plan, banks, energy, 1, x, out);
}

// True where the absolute value of one is above `largest`, or it is NaN.
SONANT_INLINE bool any_larger(const float* samples, std::int64_t count, float largest) {
  int found = 0;
  for (std::int64_t i = 0; i < count; ++i) found |= !(__builtin_fabsf(samples[i]) <= largest);
  return found != 0;
}

SONANT_INLINE void multiply(const float* samples, std::int64_t count, float factor, float* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = samples[i] * factor;
}

// The same source compiled once per instruction set, each of them called once for many frames.
#define SONANT_FRAME_KERNEL(W, TARGET)                                                                          \
  TARGET void frames_##W(const FramePlan& plan, const MelBanks& banks, const float* samples, int count,         \
                         float* room, float* out) {                                                             \
    compute_frames<W>(plan, banks, samples, count, room, out);                                                  \
  }                                                                                                             \
  TARGET void windowed_##W(const FramePlan& plan, const MelBanks& banks, const float* samples, float* room,     \
                           float* out) {                                                                        \
    compute_windowed<W>(plan, banks, samples, room, out);                                                       \
  }                                                                                                             \
  TARGET bool larger_##W(const float* samples, std::int64_t count, float largest) {                             \
    return any_larger(samples, count, largest);                                                                 \
  }                                                                                                             \
  TARGET void scale_##W(const float* samples, std::int64_t count, float factor, float* to) {                    \
    multiply(samples, count, factor, to);                                                                       \
  }                                                                                                             \
  TARGET void dither_##W(float* samples, std::int64_t count, std::int64_t first, float deviation,               \
                         std::uint64_t seed) {                                                                  \
    dither_samples<std::min(W, 8)>(samples, count, first, deviation, seed);                                     \
  }                                                                                                             \
  std::size_t room_##W(const FramePlan& plan) { return room_vectors(plan) * W; }                                \
  constexpr FrameKernel kernel_##W{W, room_##W, frames_##W, windowed_##W, larger_##W, scale_##W, dither_##W};

SONANT_EACH_WIDTH(SONANT_FRAME_KERNEL)

}  // namespace

const FrameKernel* frame_kernel(int lanes) {
  return SONANT_CHOOSE_KERNEL(lanes, kernel_);
}

}  // namespace sonant

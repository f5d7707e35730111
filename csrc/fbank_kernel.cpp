#include "fbank_kernel.h"

#include <algorithm>
#include <limits>

#include "dither.h"

namespace sonant {

namespace {

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

SONANT_INLINE std::size_t room_vectors(const FbankPlan& plan) {
  return plan.fft.size + plan.fft.half + plan.dim + 2 * plan.fft.widest_odd_radix;
}

template <int W>
SONANT_INLINE void gather(const FbankPlan& plan, const float* samples, int count, LanesF<W>* x) {
  const int length = int(plan.window.size());
  float* to = reinterpret_cast<float*>(x);
  const float* from[W];
  // Idle lanes repeat the last frame; nobody reads what they compute.
  for (int lane = 0; lane < W; ++lane) from[lane] = samples + std::ptrdiff_t(std::min(lane, count - 1)) * plan.shift;
  for (int i = 0; i < length; ++i) {
    for (int lane = 0; lane < W; ++lane) to[i * W + lane] = from[lane][i];
  }
}

template <int W>
SONANT_INLINE LanesF<W> log_energy(const FbankPlan& plan, const LanesF<W>& energy) {
  return maximum<W>(logarithm<W>(maximum<W>(energy, kEpsilon)), plan.log_energy_floor);
}

// Offset, preemphasis and window, in place; returns the log-energy that the options ask for.
template <int W>
SONANT_INLINE LanesF<W> window_frames(const FbankPlan& plan, LanesF<W>* x) {
  using F = LanesF<W>;
  const int length = int(plan.window.size());
  F mean{};
  if (plan.remove_dc_offset) {
    F sums[4] = {};
    int i = 0;
    for (; i + 4 <= length; i += 4) {
      for (int k = 0; k < 4; ++k) sums[k] += x[i + k];
    }
    for (; i < length; ++i) sums[0] += x[i];
    mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / float(length);
  }
  F raw_energy{}, energy{};
  F previous = x[0] - mean;  // Kaldi preemphasises the first sample with itself
  for (int i = 0; i < length; ++i) {
    const F sample = x[i] - mean;
    const F windowed = (sample - previous * plan.preemphasis) * plan.window[i];
    previous = sample;
    raw_energy += sample * sample;
    energy += windowed * windowed;
    x[i] = windowed;
  }
  for (int i = length; i < plan.fft.size; ++i) x[i] = F{};
  return plan.energy == FbankPlan::Energy::raw ? raw_energy : energy;
}

template <int W>
SONANT_INLINE void compute_frames(const FbankPlan& plan, const float* samples, int count, float* room, float* out) {
  using F = LanesF<W>;
  F* x = reinterpret_cast<F*>(room);
  F* power = x + plan.fft.size;
  F* features = power + plan.fft.half;

  gather<W>(plan, samples, count, x);
  const F energy = window_frames<W>(plan, x);
  transform<W>(plan.fft, x, features + plan.dim);
  power_spectrum<W>(plan.fft, x, power);
  if (!plan.use_power) {
    for (int k = 0; k < plan.fft.half; ++k) power[k] = square_root<W>(power[k]);
  }

  const int bins = int(plan.mel.first.size());
  for (int bin = 0; bin < bins; ++bin) {
    const float* weights = plan.mel.weights.data() + plan.mel.start[bin];
    const F* spectrum = power + plan.mel.first[bin];
    F sum{};
    for (int i = 0; i < plan.mel.size[bin]; ++i) sum += spectrum[i] * weights[i];
    sum = maximum<W>(sum, plan.floor);
    features[plan.mel_column + bin] = plan.use_log ? logarithm<W>(sum) : sum;
  }
  if (plan.energy != FbankPlan::Energy::none) features[plan.energy_column] = log_energy<W>(plan, energy);

  const float* from = reinterpret_cast<const float*>(features);
  for (int frame = 0; frame < count; ++frame) {
    for (int i = 0; i < plan.dim; ++i) out[std::ptrdiff_t(frame) * plan.dim + i] = from[i * W + frame];
  }
}

// The same source compiled once per instruction set, each of them called once for many frames.
#define SONANT_FBANK_KERNEL(W, TARGET)                                                                          \
  TARGET void frames_##W(const FbankPlan& plan, const float* samples, int count, float* room, float* out) {     \
    compute_frames<W>(plan, samples, count, room, out);                                                         \
  }                                                                                                             \
  TARGET void dither_##W(float* samples, std::int64_t count, std::int64_t first, float deviation,               \
                         std::uint64_t seed) {                                                                  \
    dither_samples<std::min(W, 8)>(samples, count, first, deviation, seed);                                     \
  }                                                                                                             \
  std::size_t room_##W(const FbankPlan& plan) { return room_vectors(plan) * W; }                                \
  constexpr FbankKernel kernel_##W{W, room_##W, frames_##W, dither_##W};

SONANT_FBANK_KERNEL(4, )  // the baseline of every x86-64 (SSE2) and of every 64-bit ARM (NEON)
#if defined(__x86_64__)
SONANT_FBANK_KERNEL(8, __attribute__((target("avx2,fma"))))
SONANT_FBANK_KERNEL(16, __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))))
#endif

}  // namespace

const FbankKernel* fbank_kernel(int lanes) {
#if defined(__x86_64__)
  const bool has8 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has16 = has8 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (has16 && (lanes == 0 || lanes == 16)) return &kernel_16;
  if (has8 && (lanes == 0 || lanes == 8)) return &kernel_8;
#endif
  return lanes == 0 || lanes == 4 ? &kernel_4 : nullptr;
}

}  // namespace sonant

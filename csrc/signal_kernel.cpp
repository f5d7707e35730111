#include "signal_kernel.h"

#include <algorithm>
#include <limits>

#include "lanes.h"

namespace sonant {

namespace {

template <int W>
SONANT_INLINE LanesF<W> load(const float* from) {
  LanesF<W> x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}

template <int W>
SONANT_INLINE void store(float* to, const LanesF<W>& x) {
  __builtin_memcpy(to, &x, sizeof(x));
}

template <int W>
SONANT_INLINE float sum(const LanesF<W>& x) {
  float total = 0;
  for (int lane = 0; lane < W; ++lane) total += x[lane];
  return total;
}

template <int W>
SONANT_INLINE void band(const float* weights, int taps, const float* in, std::ptrdiff_t in_step, float* out,
                        std::ptrdiff_t out_step, int rows) {
  using F = LanesF<W>;
  constexpr int kParts = kTile / W;
  for (int row = 0; row < rows; ++row, in += in_step, out += out_step) {
    for (int part = 0; part < kParts; ++part) {
      const float* w = weights + part * W;
      F sums[4] = {};  // of every fourth tap, so that additions need not wait for each other
      for (int i = 0; i < taps; i += 4) {
        for (int k = 0; k < 4; ++k) sums[k] += load<W>(w + (i + k) * kTile) * in[i + k];
      }
      store<W>(out + part * W, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
  }
}

template <int W>
SONANT_INLINE float dot(const float* weights, const float* in, int taps) {
  LanesF<W> total{};
  for (int i = 0; i < taps; i += W) total += load<W>(weights + i) * load<W>(in + i);
  return sum<W>(total);
}

// Products and energies at G vectors of lags from wave[lag] on.
template <int W, int G>
SONANT_INLINE void products(const float* wave, int window, const float* lagged, float* inner, float* energy) {
  using F = LanesF<W>;
  F dots[G] = {}, squares[G] = {};
  for (int i = 0; i < window; ++i) {
    const F a = broadcast<W>(wave[i]);
    for (int g = 0; g < G; ++g) {
      const F b = load<W>(lagged + i + g * W);
      dots[g] += a * b;
      squares[g] += b * b;
    }
  }
  for (int g = 0; g < G; ++g) {
    store<W>(inner + g * W, dots[g]);
    store<W>(energy + g * W, squares[g]);
  }
}

template <int W>
SONANT_INLINE float correlate(float* wave, int window, int first_lag, int lags, float ballast, float* pitch,
                              float* pov) {
  using F = LanesF<W>;
  const int padded = padded_to_tile(lags), full = window + first_lag + padded;
  F total{};
  int i = 0;
  for (; i + W <= window; i += W) total += load<W>(wave + i);
  float mean = sum<W>(total);
  for (; i < window; ++i) mean += wave[i];
  mean /= float(window);
  for (i = 0; i + W <= full; i += W) store<W>(wave + i, load<W>(wave + i) - mean);
  for (; i < full; ++i) wave[i] -= mean;

  total = F{};
  for (i = 0; i + W <= window; i += W) total += load<W>(wave + i) * load<W>(wave + i);
  float energy = sum<W>(total);
  for (; i < window; ++i) energy += wave[i] * wave[i];

  // The products go to `pitch` and the energies to `pov`, to be replaced by what they make.
  int k = 0;
  for (; k + 5 * W <= padded; k += 5 * W) {
    products<W, 5>(wave, window, wave + first_lag + k, pitch + k, pov + k);
  }
  for (; k + 2 * W <= padded; k += 2 * W) {
    products<W, 2>(wave, window, wave + first_lag + k, pitch + k, pov + k);
  }
  for (; k < padded; k += W) products<W, 1>(wave, window, wave + first_lag + k, pitch + k, pov + k);

  float average = 0;
  for (k = 0; k < lags; ++k) average += energy * pov[k];
  for (k = 0; k < padded; k += W) {
    const F inner = load<W>(pitch + k), norm = load<W>(pov + k) * energy;
    const F with = square_root<W>(norm + ballast), without = square_root<W>(norm);
    store<W>(pitch + k, with > 0 ? inner / with : F{});
    store<W>(pov + k, without > 0 ? inner / without : F{});
  }
  return average / float(lags);
}

// The best j of [low, high] for the kTile states first + k * step.
template <int W>
SONANT_INLINE void best_origins(const float* cost, float factor, int first, int step, int low, int high, float* least,
                                std::int32_t* origin) {
  using F = LanesF<W>;
  using I = LanesI<W>;
  for (int part = 0; part < kTile; part += W) {
    F state;
    for (int lane = 0; lane < W; ++lane) state[lane] = float(first + (part + lane) * step);
    F best[2];
    I where[2];
    for (int k = 0; k < 2; ++k) {
      best[k] = broadcast<W>(std::numeric_limits<float>::infinity());
      where[k] = I{} + low;
    }
    F distance = state - float(low);
    int j = low;
    for (; j < high; j += 2) {  // two chains of comparisons side by side
      for (int k = 0; k < 2; ++k) {
        const F total = distance * distance * factor + cost[j + k];
        const I better = total < best[k];
        best[k] = better ? total : best[k];
        where[k] = better ? I{} + (j + k) : where[k];
        distance -= 1.0f;
      }
    }
    if (j == high) {
      const F total = distance * distance * factor + cost[j];
      const I better = total < best[0];
      best[0] = better ? total : best[0];
      where[0] = better ? I{} + j : where[0];
    }
    const I second = (best[1] < best[0]) | ((best[1] == best[0]) & (where[1] < where[0]));
    store<W>(least + part, second ? best[1] : best[0]);
    const I chosen = second ? where[1] : where[0];
    __builtin_memcpy(origin + part, &chosen, sizeof(chosen));
  }
}

struct Span {
  int first, step, low, high;
};

// The best origins never decrease with the state, since the cost of a step is convex: so those of every step-th state
// bound those between them, and each level of kTile subdivisions takes about `states` comparisons of kTile states.
template <int W>
SONANT_INLINE int search(const float* cost, const float* nccf, const float* soft, int states, float factor,
                         float* next, std::uint16_t* from) {
  using F = LanesF<W>;
  // Depth first; each level leaves at most kTile spans to do, and 2^16 states make 4 levels.
  Span pending[4 * kTile + 4];
  int depth = 0;
  int top = 1;
  while (top * kTile < states) top *= kTile;
  pending[depth++] = {0, top, 0, states - 1};
  while (depth > 0) {
    const Span span = pending[--depth];
    float least[kTile];
    std::int32_t origin[kTile];
    best_origins<W>(cost, factor, span.first, span.step, span.low, span.high, least, origin);
    const int used = std::min(kTile, (states - span.first + span.step - 1) / span.step);
    if (span.step == 1) {
      for (int k = 0; k < used; ++k) {
        next[span.first + k] = least[k];
        from[span.first + k] = std::uint16_t(origin[k]);
      }
      continue;
    }
    for (int k = used - 1; k >= 0; --k) {
      const int high = k + 1 < used ? origin[k + 1] : span.high;
      // Rounding may put two nearly equal origins in the wrong order.
      pending[depth++] = {span.first + k * span.step, span.step / kTile, origin[k], std::max(origin[k], high)};
    }
  }

  float least = std::numeric_limits<float>::infinity();
  for (int i = 0; i < states; i += W) {
    const F phi = load<W>(nccf + i);
    store<W>(next + i, load<W>(next + i) + ((1.0f - phi) + phi * load<W>(soft + i)));
  }
  for (int i = 0; i < states; ++i) least = next[i] < least ? next[i] : least;
  int best = 0;
  while (best + 1 < states && next[best] != least) ++best;
  for (int i = 0; i < states; i += W) store<W>(next + i, load<W>(next + i) - least);
  return best;
}

// The same source compiled once per instruction set.
#define SONANT_SIGNAL_KERNEL(W, TARGET)                                                                        \
  TARGET void band_##W(const float* weights, int taps, const float* in, std::ptrdiff_t in_step, float* out,    \
                       std::ptrdiff_t out_step, int rows) {                                                    \
    band<W>(weights, taps, in, in_step, out, out_step, rows);                                                  \
  }                                                                                                            \
  TARGET float dot_##W(const float* weights, const float* in, int taps) { return dot<W>(weights, in, taps); }  \
  TARGET float correlate_##W(float* wave, int window, int first_lag, int lags, float ballast, float* pitch,    \
                             float* pov) {                                                                     \
    return correlate<W>(wave, window, first_lag, lags, ballast, pitch, pov);                                   \
  }                                                                                                            \
  TARGET int search_##W(const float* cost, const float* nccf, const float* soft, int states, float factor,     \
                        float* next, std::uint16_t* from) {                                                    \
    return search<W>(cost, nccf, soft, states, factor, next, from);                                            \
  }                                                                                                            \
  constexpr SignalKernel kernel_##W{W, band_##W, dot_##W, correlate_##W, search_##W};

SONANT_SIGNAL_KERNEL(4, )  // the baseline of every x86-64 (SSE2) and of every 64-bit ARM (NEON)
#if defined(__x86_64__)
SONANT_SIGNAL_KERNEL(8, __attribute__((target("avx2,fma"))))
SONANT_SIGNAL_KERNEL(16, __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))))
#endif

}  // namespace

const SignalKernel* signal_kernel(int lanes) {
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

#include "features/signal_kernel.h"

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

// The least cost[j] + factor (i - j)^2 of the origins j seen so far, and which it is, for W states i; and the distance
// i - j to the next origin. Numbers are floats: those of states are exact.
template <int W>
struct Best {
  LanesF<W> distance{}, cost{}, origin{};

  SONANT_INLINE void start(int state, int step, int low) {
    LanesF<W> lanes{};
    for (int lane = 0; lane < W; ++lane) lanes[lane] = float(lane);
    distance = lanes * float(step) + float(state - low);
    cost = broadcast<W>(std::numeric_limits<float>::infinity());
    origin = broadcast<W>(float(low));
  }

  SONANT_INLINE void next(float own_cost, const LanesF<W>& own_number, float factor) {
    const LanesF<W> total = distance * distance * factor + own_cost;
    const LanesI<W> better = total < cost;
    cost = better ? total : cost;
    origin = better ? own_number : origin;
    distance -= 1.0f;
  }
};

struct Span {
  int first, count, low, high;  // states, and the origins among which theirs are
};

// For the states first + k * step, k < kTile. Two chains of comparisons side by side, over half of the origins each.
template <int W>
SONANT_INLINE void best_of_some(const float* cost, float factor, const Span& span, int step, std::int32_t* origin) {
  const int half = (span.high - span.low + 1) / 2;
  for (int part = 0; part < kTile; part += W) {
    Best<W> left, right;
    left.start(span.first + part * step, step, span.low);
    right.start(span.first + part * step, step, span.low + half);
    LanesF<W> number = broadcast<W>(float(span.low)), later = number + float(half);
    for (int j = span.low; j < span.low + half; ++j) {
      left.next(cost[j], number, factor);
      right.next(cost[j + half], later, factor);
      number += 1.0f;
      later += 1.0f;
    }
    // One more where their number is odd; another look at the last origin does no harm.
    right.distance = left.distance - float(span.high - span.low - half);
    right.next(cost[span.high], broadcast<W>(float(span.high)), factor);
    const LanesI<W> chosen =
        __builtin_convertvector(right.cost < left.cost ? right.origin : left.origin, LanesI<W>);
    __builtin_memcpy(origin + part, &chosen, sizeof(chosen));
  }
}

constexpr int kLeaf = 2 * kTile;  // states that are searched at once

template <int W>
SONANT_INLINE void best_of_leaf(const float* cost, float factor, const Span& span, float* next, std::uint16_t* from) {
  typedef std::uint16_t U __attribute__((vector_size(W * sizeof(std::uint16_t))));
  constexpr int kChains = W == 4 ? 2 : kLeaf / W;  // whose variables fit into the registers
  for (int part = 0; part < kLeaf; part += kChains * W) {
    Best<W> best[kChains];
    for (int k = 0; k < kChains; ++k) best[k].start(span.first + part + k * W, 1, span.low);
    LanesF<W> number = broadcast<W>(float(span.low));
    for (int j = span.low; j <= span.high; ++j) {
      for (int k = 0; k < kChains; ++k) best[k].next(cost[j], number, factor);
      number += 1.0f;
    }
    for (int k = 0; k < kChains; ++k) {
      store<W>(next + part + k * W, best[k].cost);
      const U origin = __builtin_convertvector(__builtin_convertvector(best[k].origin, LanesI<W>), U);
      __builtin_memcpy(from + part + k * W, &origin, sizeof(origin));
    }
  }
}

// The best origins never decrease with the state, since the cost of a step is convex: so those of some states bound
// those of the states between them, and each level of subdivision looks at each origin about once.
template <int W>
SONANT_INLINE void search(const float* cost, const float* nccf, const float* soft, int states, float factor,
                          float* next, std::uint16_t* from) {
  using F = LanesF<W>;
  // Depth first: each level leaves at most kTile spans to do, and 2^16 states make 3 levels and the leaves.
  Span pending[4 * kTile];
  int depth = 0;
  pending[depth++] = {0, states, 0, states - 1};
  while (depth > 0) {
    const Span span = pending[--depth];
    if (span.count <= kLeaf) {
      best_of_leaf<W>(cost, factor, span, next + span.first, from + span.first);
      continue;
    }
    const int step = (span.count + kTile * kLeaf - 1) / (kTile * kLeaf) * kLeaf;
    std::int32_t origin[kTile];
    best_of_some<W>(cost, factor, span, step, origin);
    const int used = (span.count + step - 1) / step;
    for (int k = used - 1; k >= 0; --k) {
      const int high = k + 1 < used ? origin[k + 1] : span.high;
      // Rounding may put two nearly equal origins in the wrong order.
      pending[depth++] = {span.first + k * step, std::min(step, span.count - k * step), origin[k],
                          std::max(origin[k], high)};
    }
  }

  const float infinity = std::numeric_limits<float>::infinity();
  F lowest = broadcast<W>(infinity);
  for (int i = 0; i < states; i += W) {
    const F phi = load<W>(nccf + i);
    const F total = load<W>(next + i) + ((1.0f - phi) + phi * load<W>(soft + i));
    store<W>(next + i, total);
    if (i + W <= states) lowest = total < lowest ? total : lowest;
  }
  float least = infinity;
  for (int lane = 0; lane < W; ++lane) least = std::min(least, lowest[lane]);
  for (int i = states / W * W; i < states; ++i) least = std::min(least, next[i]);
  for (int i = 0; i < states; i += W) store<W>(next + i, load<W>(next + i) - least);
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
  TARGET void search_##W(const float* cost, const float* nccf, const float* soft, int states, float factor,    \
                         float* next, std::uint16_t* from) {                                                   \
    search<W>(cost, nccf, soft, states, factor, next, from);                                                   \
  }                                                                                                            \
  constexpr SignalKernel kernel_##W{W, band_##W, dot_##W, correlate_##W, search_##W};

SONANT_EACH_WIDTH(SONANT_SIGNAL_KERNEL)

}  // namespace

const SignalKernel* signal_kernel(int lanes) {
  return SONANT_CHOOSE_KERNEL(lanes, kernel_);
}

}  // namespace sonant

// Lanes<W>: the same number of W frames side by side, one frame per SIMD lane. Every operation is elementwise, so what
// a lane computes never depends on which frames sit in the other lanes, nor on how many of them are in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

// Inlined without exception: the function then takes the instruction set of the kernel that it is inlined into.
#define SONANT_INLINE inline __attribute__((always_inline))

#if defined(__GNUC__) && !defined(__clang__)
// Vectors wider than the baseline's registers have no stable calling convention; nothing here is ever called.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace sonant {

template <int W>
struct Lanes {
  typedef float F __attribute__((vector_size(W * sizeof(float)), may_alias));
  typedef std::int32_t I __attribute__((vector_size(W * sizeof(std::int32_t)), may_alias));
};

template <int W>
using LanesF = typename Lanes<W>::F;
template <int W>
using LanesI = typename Lanes<W>::I;

template <int W>
SONANT_INLINE LanesF<W> broadcast(float value) {
  return LanesF<W>{} + value;
}

template <int W>
SONANT_INLINE LanesF<W> maximum(const LanesF<W>& x, float floor) {
  const LanesF<W> y = broadcast<W>(floor);
  return x > y ? x : y;
}

template <int W>
SONANT_INLINE LanesF<W> square_root(const LanesF<W>& x) {
  LanesF<W> root;
  for (int lane = 0; lane < W; ++lane) root[lane] = __builtin_sqrtf(x[lane]);
  return root;
}

// Natural logarithm of positive, normal x; error below 2 units in the last place. With x = m 2^e, m in
// [sqrt(1/2), sqrt(2)), and s = (m - 1) / (m + 1): ln m = 2 atanh s, whose series in s^2 (at most 0.0295) needs five
// terms. ln 2 is split in two so that e times its upper part is exact.
template <int W>
SONANT_INLINE LanesF<W> logarithm(const LanesF<W>& x) {
  const LanesI<W> bits = (LanesI<W>)x;
  const LanesI<W> exponent = (bits - 0x3f3504f3) >> 23;  // the bits of sqrt(1/2)
  const LanesF<W> f = (LanesF<W>)(bits - (exponent << 23)) - 1.0f;
  const LanesF<W> e = __builtin_convertvector(exponent, LanesF<W>);
  const LanesF<W> s = f / (f + 2.0f);
  const LanesF<W> z = s * s;
  const LanesF<W> series = ((z * (2.0f / 9) + 2.0f / 7) * z + 2.0f / 5) * z + 2.0f / 3;
  return e * 0.693359375f + (s * 2.0f + (s * z * series - e * 2.12194440e-4f));
}

// e^x for x in [-87, 88]; relative error about 1e-7. With x = n ln 2 + r, |r| <= ln 2 / 2: 2^n times the series of e^r.
template <int W>
SONANT_INLINE LanesF<W> exponential(const LanesF<W>& x) {
  const LanesF<W> scaled = x * 1.44269504f;
  const LanesF<W> half = scaled > LanesF<W>{} ? broadcast<W>(0.5f) : broadcast<W>(-0.5f);
  const LanesI<W> n = __builtin_convertvector(scaled + half, LanesI<W>);
  const LanesF<W> whole = __builtin_convertvector(n, LanesF<W>);
  const LanesF<W> r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  LanesF<W> series = r * (1.0f / 5040) + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  return series * (LanesF<W>)((n + 127) << 23);
}

// x^y for x that is not negative (0 where x is, or is so small that it is no normal number), held within float's range.
template <int W>
SONANT_INLINE LanesF<W> power_of(const LanesF<W>& x, float y) {
  constexpr float kSmallest = 1.17549435e-38f;
  LanesF<W> exponent = maximum<W>(logarithm<W>(maximum<W>(x, kSmallest)) * y, -87.0f);
  exponent = -maximum<W>(-exponent, -88.0f);
  return x < broadcast<W>(kSmallest) ? LanesF<W>{} : exponential<W>(exponent);
}

// One step of a transposition: of rows that are `kStep` apart, swaps the blocks of that size that are off the diagonal.
template <int W, int kStep, std::size_t... kColumn>
SONANT_INLINE void swap_blocks(LanesF<W>* rows, std::index_sequence<kColumn...>) {
  for (int i = 0; i < W; ++i) {
    if (i & kStep) continue;
    const LanesF<W> a = rows[i], b = rows[i + kStep];
    rows[i] = __builtin_shufflevector(a, b, (int(kColumn) & kStep ? W + int(kColumn) - kStep : int(kColumn))...);
    rows[i + kStep] =
        __builtin_shufflevector(a, b, (int(kColumn) & kStep ? W + int(kColumn) : int(kColumn) + kStep)...);
  }
}

// W vectors as the rows of a matrix, transposed in place: from W samples of each of W frames to W frames of each of W
// samples, and back.
template <int W>
SONANT_INLINE void transpose(LanesF<W>* rows) {
  constexpr auto columns = std::make_index_sequence<W>();
  swap_blocks<W, 1>(rows, columns);
  swap_blocks<W, 2>(rows, columns);
  if constexpr (W > 4) swap_blocks<W, 4>(rows, columns);
  if constexpr (W > 8) swap_blocks<W, 8>(rows, columns);
}

// W floats that need not be aligned.
template <int W>
SONANT_INLINE LanesF<W> load(const float* from) {
  LanesF<W> x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}

template <int W>
SONANT_INLINE void store(const LanesF<W>& x, float* to) {
  __builtin_memcpy(to, &x, sizeof(x));
}

}  // namespace sonant

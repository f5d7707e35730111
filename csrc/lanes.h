// Lanes<W>: the same number of W frames side by side, one frame per SIMD lane. Every operation is elementwise, so what
// a lane computes never depends on which frames sit in the other lanes, nor on how many of them are in use.
#pragma once

#include <cstdint>

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

// e to the power of x in [-87, 88], clamped to it; error below 2 units in the last place. With x = n ln 2 + r and
// |r| <= ln 2 / 2: 2^n is made of bits, e^r of its series. Adding 1.5 * 2^23 rounds to an integer, in the lowest bits.
template <int W>
SONANT_INLINE LanesF<W> exponential(const LanesF<W>& x) {
  const LanesF<W> low = broadcast<W>(-87.0f), high = broadcast<W>(88.0f);
  const LanesF<W> y = x < low ? low : (x > high ? high : x);
  const LanesF<W> rounded = y * 1.44269504f + 12582912.0f;
  const LanesF<W> n = rounded - 12582912.0f;
  const LanesF<W> r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
  LanesF<W> series = r * (1.0f / 5040) + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * (r * r) + (r + 1.0f);
  const LanesI<W> power = ((LanesI<W>)rounded - 0x4b400000 + 127) << 23;
  return series * (LanesF<W>)power;
}

// Makes KERNEL(W, TARGET) for each width that a processor may have, with what lets a function use its instructions;
// SONANT_CHOOSE_KERNEL(lanes, name_) picks among name_4, name_8 and name_16. Four lanes are the baseline of every x86-64
// (SSE2) and of every 64-bit ARM (NEON).
#if defined(__x86_64__)
#define SONANT_EACH_WIDTH(KERNEL)                      \
  KERNEL(4, )                                          \
  KERNEL(8, __attribute__((target("avx2,fma"))))       \
  KERNEL(16, __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))))
#define SONANT_CHOOSE_KERNEL(lanes, name) choose_kernel(lanes, &name##4, &name##8, &name##16)
#else
#define SONANT_EACH_WIDTH(KERNEL) KERNEL(4, )
#define SONANT_CHOOSE_KERNEL(lanes, name) choose_kernel(lanes, &name##4)
#endif

// The kernel with that many lanes (4, 8 or 16), or with 0 the widest that this processor has; null if it lacks it.
template <class Kernel>
const Kernel* choose_kernel(int lanes, const Kernel* of4, const Kernel* of8 = nullptr, const Kernel* of16 = nullptr) {
#if defined(__x86_64__)
  const bool has8 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has16 = has8 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (of16 && has16 && (lanes == 0 || lanes == 16)) return of16;
  if (of8 && has8 && (lanes == 0 || lanes == 8)) return of8;
#endif
  return lanes == 0 || lanes == 4 ? of4 : nullptr;
}

}  // namespace sonant

// Gaussian noise by sample number: the same sample of the same seed gets the same noise, in whatever order, chunk or
// thread it is reached, and in every frame that contains it.
//
// The generator is SplitMix64 (Steele, Lea & Flood 2014), whose n-th output is a function of n; each output makes two
// normal numbers by Box & Muller 1958.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lanes.h"

namespace sonant {

SONANT_INLINE std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The normal numbers 2 pair and 2 pair + 1 of W consecutive pairs, interleaved into noise[2 W].
template <int W>
SONANT_INLINE void gauss(std::uint64_t start, std::int64_t pair, float* noise) {
  using F = LanesF<W>;
  using I = LanesI<W>;
  alignas(I) std::int32_t highs[W], lows[W];
  for (int lane = 0; lane < W; ++lane) {
    const std::uint64_t bits = scramble(start + std::uint64_t(pair + lane + 1) * 0x9e3779b97f4a7c15u);
    highs[lane] = std::int32_t(bits >> 40);
    lows[lane] = std::int32_t(bits & 0xffffff);
  }
  const I high = *reinterpret_cast<const I*>(highs), low = *reinterpret_cast<const I*>(lows);
  const F uniform = (__builtin_convertvector(high, F) + 1.0f) * 0x1p-24f;  // (0, 1]
  const F radius = square_root<W>(logarithm<W>(uniform) * -2.0f);

  // The angle is a turn cut in four, and a rest in [-1/8, 1/8) of a turn where the series converge fast.
  const I turned = low + (1 << 21);
  const I quarter = (turned >> 22) & 3;
  const F rest = __builtin_convertvector((turned & 0x3fffff) - (1 << 21), F) * (6.2831853f * 0x1p-24f);
  const F z = rest * rest;
  const F sine = rest * (((z * (-1.0f / 5040) + 1.0f / 120) * z - 1.0f / 6) * z + 1.0f);
  const F cosine = (((z * (1.0f / 40320) - 1.0f / 720) * z + 1.0f / 24) * z - 0.5f) * z + 1.0f;
  const F c = (quarter & 1) != 0 ? sine : cosine;
  const F s = (quarter & 1) != 0 ? cosine : sine;
  const F x = radius * (((quarter == 1) | (quarter == 2)) ? -c : c);
  const F y = radius * (quarter >= 2 ? -s : s);
  alignas(F) float xs[W], ys[W];
  *reinterpret_cast<F*>(xs) = x;
  *reinterpret_cast<F*>(ys) = y;
  for (int lane = 0; lane < W; ++lane) {
    noise[2 * lane] = xs[lane];
    noise[2 * lane + 1] = ys[lane];
  }
}

template <int W>
SONANT_INLINE void dither_samples(float* samples, std::int64_t count, std::int64_t first, float deviation,
                                  std::uint64_t seed) {
  const std::uint64_t start = scramble(seed + 0x9e3779b97f4a7c15u);
  float noise[2 * W];
  for (std::int64_t i = 0; i < count;) {
    const std::int64_t index = first + i;
    const int skip = int(index & 1);
    const int take = int(std::min<std::int64_t>(2 * W - skip, count - i));
    gauss<W>(start, index >> 1, noise);
    for (int k = 0; k < take; ++k) samples[i + k] += deviation * noise[skip + k];
    i += take;
  }
}

}  // namespace sonant

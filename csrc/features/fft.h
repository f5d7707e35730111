// Fourier transform of real frames, one frame per lane.
//
// The N real samples of a frame are read as N/2 complex ones, transformed in place by a decimation-in-frequency FFT of
// mixed radix (4 first, then 2, then odd primes), and untangled into the real spectrum. The transform leaves its output
// in digit-reversed order; since an element is a whole vector of lanes, reading it through `position` costs nothing.
// (Cooley & Tukey 1965; the untangling is Sorensen et al. 1987, "Real-valued fast Fourier transform algorithms".)
#pragma once

#include <cstddef>
#include <vector>

#include "lanes.h"

namespace sonant {

struct FftStage {
  int radix;
  int step;               // distance of the inputs of one butterfly; a block is radix * step long
  std::size_t twiddles;   // offset of step x (radix - 1) complex factors
  std::size_t roots;      // odd radix: offset of the radix complex roots of unity
};

struct RealFft {
  explicit RealFft(int size);  // even and positive

  int size;                       // N
  int half;                       // N/2, the complex length
  int widest_odd_radix = 0;       // the butterfly of an odd radix needs that many complex numbers of room
  std::vector<FftStage> stages;
  std::vector<float> factors;     // complex, interleaved
  std::vector<int> position;      // where the transform leaves frequency k < N/2
  std::vector<float> untangle;    // exp(-2 pi i k / N), interleaved, for k <= N/4
};

// One radix-4 butterfly on x[0], x[step], x[2 step], x[3 step] (complex: two vectors each); w holds three factors.
template <int W, bool kTwiddle>
SONANT_INLINE void butterfly4(LanesF<W>* x, int step, const float* w) {
  using F = LanesF<W>;
  F *x0 = x, *x1 = x + 2 * step, *x2 = x + 4 * step, *x3 = x + 6 * step;
  const F ar = x0[0] + x2[0], ai = x0[1] + x2[1], br = x0[0] - x2[0], bi = x0[1] - x2[1];
  const F cr = x1[0] + x3[0], ci = x1[1] + x3[1], dr = x1[0] - x3[0], di = x1[1] - x3[1];
  x0[0] = ar + cr;
  x0[1] = ai + ci;
  const F y1r = br + di, y1i = bi - dr;
  const F y2r = ar - cr, y2i = ai - ci;
  const F y3r = br - di, y3i = bi + dr;
  if constexpr (kTwiddle) {
    x1[0] = y1r * w[0] - y1i * w[1];
    x1[1] = y1r * w[1] + y1i * w[0];
    x2[0] = y2r * w[2] - y2i * w[3];
    x2[1] = y2r * w[3] + y2i * w[2];
    x3[0] = y3r * w[4] - y3i * w[5];
    x3[1] = y3r * w[5] + y3i * w[4];
  } else {
    x1[0] = y1r;
    x1[1] = y1i;
    x2[0] = y2r;
    x2[1] = y2i;
    x3[0] = y3r;
    x3[1] = y3i;
  }
}

template <int W>
SONANT_INLINE void butterfly2(LanesF<W>* x, int step, const float* w) {
  using F = LanesF<W>;
  F *x0 = x, *x1 = x + 2 * step;
  const F dr = x0[0] - x1[0], di = x0[1] - x1[1];
  x0[0] += x1[0];
  x0[1] += x1[1];
  x1[0] = dr * w[0] - di * w[1];
  x1[1] = dr * w[1] + di * w[0];
}

// A butterfly of odd radix by the definition of the transform. Frames whose length is not a power of two need it.
template <int W>
SONANT_INLINE void butterfly_odd(LanesF<W>* x, int radix, int step, const float* w, const float* roots,
                                 LanesF<W>* room) {
  using F = LanesF<W>;
  for (int q = 0; q < radix; ++q) {
    room[2 * q] = x[2 * q * step];
    room[2 * q + 1] = x[2 * q * step + 1];
  }
  for (int p = 0; p < radix; ++p) {
    F re = room[0], im = room[1];
    for (int q = 1, root = p; q < radix; ++q, root = (root + p) % radix) {
      const float c = roots[2 * root], s = roots[2 * root + 1];
      re += room[2 * q] * c - room[2 * q + 1] * s;
      im += room[2 * q] * s + room[2 * q + 1] * c;
    }
    F* out = x + 2 * p * step;
    const float c = p ? w[2 * p - 2] : 1.0f, s = p ? w[2 * p - 1] : 0.0f;
    out[0] = re * c - im * s;
    out[1] = re * s + im * c;
  }
}

// In place on x, (N/2, 2) vectors; `room` holds 2 * widest_odd_radix vectors.
template <int W>
SONANT_INLINE void transform(const RealFft& fft, LanesF<W>* x, LanesF<W>* room) {
  for (const FftStage& stage : fft.stages) {
    const int step = stage.step, block = stage.radix * step;
    for (int j = 0; j < step; ++j) {
      const float* w = fft.factors.data() + stage.twiddles + 2 * std::size_t(stage.radix - 1) * j;
      LanesF<W>*first = x + 2 * j, *end = x + 2 * fft.half;
      if (stage.radix == 4 && j == 0) {
        for (auto* b = first; b < end; b += 2 * block) butterfly4<W, false>(b, step, w);
      } else if (stage.radix == 4) {
        for (auto* b = first; b < end; b += 2 * block) butterfly4<W, true>(b, step, w);
      } else if (stage.radix == 2) {
        for (auto* b = first; b < end; b += 2 * block) butterfly2<W>(b, step, w);
      } else {
        const float* roots = fft.factors.data() + stage.roots;
        for (auto* b = first; b < end; b += 2 * block) butterfly_odd<W>(b, stage.radix, step, w, roots, room);
      }
    }
  }
}

// Hands over the spectrum of a transformed x: pair(k, X_k, N/2 - k, conj X_(N/2-k)), with (re, im) of each, for
// 0 < k <= N/4.
template <int W, typename Pair>
SONANT_INLINE void untangle_spectrum(const RealFft& fft, const LanesF<W>* x, Pair pair) {
  using F = LanesF<W>;
  for (int k = 1; k <= fft.half / 2; ++k) {
    const F *a = x + 2 * fft.position[k], *b = x + 2 * fft.position[fft.half - k];
    // Twice the spectra of the even samples, E, and of the odd ones, O: X_k = E + wO, and X_(N/2-k) = conj(E - wO).
    const F er = a[0] + b[0], ei = a[1] - b[1], odd_r = a[1] + b[1], odd_i = b[0] - a[0];
    const float c = fft.untangle[2 * k], s = fft.untangle[2 * k + 1];
    const F tr = odd_r * c - odd_i * s, ti = odd_r * s + odd_i * c;
    pair(k, er + tr, ei + ti, fft.half - k, er - tr, ei - ti);
  }
}

// power[k] = |X_k|^2 for k <= N/2 of a transformed x.
template <int W>
SONANT_INLINE void power_spectrum(const RealFft& fft, const LanesF<W>* x, LanesF<W>* power) {
  using F = LanesF<W>;
  const F lowest = x[0] + x[1], highest = x[0] - x[1];
  power[0] = lowest * lowest;
  power[fft.half] = highest * highest;
  untangle_spectrum<W>(fft, x, [&](int k, const F& pr, const F& pi, int mirror, const F& mr, const F& mi)
                                   __attribute__((always_inline)) {
    power[k] = (pr * pr + pi * pi) * 0.25f;
    power[mirror] = (mr * mr + mi * mi) * 0.25f;
  });
}

// Of a transformed x: re X_0, re X_(N/2), re X_1, im X_1, re X_2, ... as Kaldi packs a spectrum. N vectors.
template <int W>
SONANT_INLINE void complex_spectrum(const RealFft& fft, const LanesF<W>* x, LanesF<W>* out) {
  using F = LanesF<W>;
  out[0] = x[0] + x[1];
  out[1] = x[0] - x[1];
  untangle_spectrum<W>(fft, x, [&](int k, const F& pr, const F& pi, int mirror, const F& mr, const F& mi)
                                   __attribute__((always_inline)) {
    out[2 * k] = pr * 0.5f;
    out[2 * k + 1] = pi * 0.5f;
    out[2 * mirror] = mr * 0.5f;
    out[2 * mirror + 1] = mi * -0.5f;
  });
}

}  // namespace sonant

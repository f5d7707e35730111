// Cepstra: the matrices that make them, and linear prediction, for a vector of frames or a single one.
#pragma once

#include <vector>

#include "lanes.h"

namespace sonant {

// Rows 0 to `rows` - 1 of the orthonormal discrete cosine transform (type II) of `columns` values: (rows, columns).
std::vector<float> dct_matrix(int rows, int columns);

// Rows of the inverse Fourier transform of a power spectrum, real and even, at `columns` + 2 points from 0 to half the
// sample frequency, whose first and last repeat their neighbours and are folded into them: (rows, columns).
std::vector<float> autocorrelation_matrix(int rows, int columns);

// 1 + q/2 sin(pi i / q) for i < count; all 1 where q is 0. (HTK's liftering.)
std::vector<float> lifter(double q, int count);

// Levinson and Durbin's recursion. From r[0..order] to the predictor's a[0..order-1], in Kaldi's sign: the prediction
// of x_t is -sum a[i] x_(t-1-i). Returns the energy of the residual. `room` holds `order`. A frame without energy has
// a predictor of zeros; and where rounding makes a reflection larger than 1, as no signal can, it is held to that, lest
// the predictor explode. F is float or a vector of lanes.
template <typename F>
SONANT_INLINE F durbin(int order, const F* r, F* a, F* room) {
  const F zero{}, one = zero + 1.0f, least = zero + 1e-5f;
  F energy = r[0];
  for (int i = 0; i < order; ++i) {
    F reflection = r[i + 1];
    for (int j = 0; j < i; ++j) reflection += a[j] * r[i - j];
    reflection = energy > zero ? reflection / energy : zero;
    reflection = reflection > one ? one : reflection;
    reflection = reflection < -one ? -one : reflection;
    const F kept = one - reflection * reflection;
    energy *= kept > least ? kept : least;
    for (int j = 0; j < i; ++j) room[j] = a[j] - reflection * a[i - j - 1];
    for (int j = 0; j < i; ++j) a[j] = room[j];
    a[i] = -reflection;
  }
  return energy;
}

// Cepstrum c[1..order] of the predictor's all-pole spectrum, at cepstrum[0..order-1].
template <typename F>
SONANT_INLINE void predictor_cepstrum(int order, const F* a, F* cepstrum) {
  for (int i = 0; i < order; ++i) {
    F sum{};
    for (int j = 0; j < i; ++j) sum += a[j] * cepstrum[i - j - 1] * float(i - j);
    cepstrum[i] = -a[i] - sum / float(i + 1);
  }
}

}  // namespace sonant

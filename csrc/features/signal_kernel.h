// The inner loops of resampling and pitch, compiled for each instruction set.
//
// Every one of them walks rows of kTile outputs; what an output is depends on its own inputs alone, and is summed in the
// same order wherever the row begins.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sonant {

constexpr int kTile = 16;  // floats of the widest vector

constexpr int padded_to_tile(int count) { return (count + kTile - 1) / kTile * kTile; }

struct SignalKernel {
  int lanes;

  // out[row * out_step + k] = sum over i < taps of in[row * in_step + i] * weights[i * kTile + k], for k < kTile and
  // row < rows. `taps` is a multiple of 4.
  void (*band)(const float* weights, int taps, const float* in, std::ptrdiff_t in_step, float* out,
               std::ptrdiff_t out_step, int rows);

  // sum over i < taps of in[i] * weights[i]; `taps` is a multiple of kTile.
  float (*dot)(const float* weights, const float* in, int taps);

  // The normalised cross-correlation of wave[0..window) with itself at the lags first_lag + k, k < lags:
  //   pitch[k] = <a, b_k> / sqrt(|a|^2 |b_k|^2 + ballast),   pov[k] = <a, b_k> / (|a| |b_k|), 0 where that is 0 / 0.
  // From each sample the mean of a is taken first; `wave` has room for window + first_lag + padded_to_tile(lags)
  // samples and is left so. `pitch` and `pov` have room for padded_to_tile(lags). Returns the mean of |a|^2 |b_k|^2.
  float (*correlate)(float* wave, int window, int first_lag, int lags, float ballast, float* pitch, float* pov);

  // One step of the Viterbi search over `states` states:
  //   from[i] = the j with the least cost[j] + factor (i - j)^2,   next[i] = that + 1 - nccf[i] (1 - soft[i]),
  // and then their least value is taken from all of next. `nccf` and `soft` have room for padded_to_tile(states), and
  // `next` and `from` for kTile more.
  void (*search)(const float* cost, const float* nccf, const float* soft, int states, float factor, float* next,
                 std::uint16_t* from);
};

// The kernel with so many lanes; 0 for the widest this processor has. Null where the processor has not as many.
const SignalKernel* signal_kernel(int lanes = 0);

}  // namespace sonant

// Resampling as Kaldi's feat/resample defines it: the signal is zero outside its samples, and an output is the integral
// of the band-limited signal with a sinc of the cutoff frequency under a Hanning window of so many zeros of the sinc.
//
// The weights are laid out in tiles of kTile neighbouring outputs, each with the inputs that any of them reads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "features/signal_kernel.h"

namespace sonant {

// At arbitrary points in time. Immutable.
class ArbitraryResample {
 public:
  // `points` in seconds, in any order; the first input is at 0. Throws FeatureError.
  ArbitraryResample(int num_inputs, double rate, double cutoff, std::span<const float> points, int num_zeros);

  int num_inputs() const { return num_inputs_; }
  int num_outputs() const { return int(order_.size()); }

  // Rows as the tiles want them: inputs are read up to padded_inputs() (what is there must be finite), outputs are
  // written up to padded_outputs(), in ascending order of their points, rows of them in a row.
  int padded_inputs() const { return padded_inputs_; }
  int padded_outputs() const { return padded_outputs_; }
  void sorted(const SignalKernel& kernel, const float* in, std::ptrdiff_t in_step, float* out, int rows) const;

  // Rows of num_inputs() to rows of num_outputs().
  void resample(const float* in, float* out, std::int64_t rows) const;

  // One output (in ascending order of the points) of a padded row.
  float at(const float* in, int output) const;

 private:
  struct Tile {
    int input, taps, output;
    std::size_t weights;
  };

  int num_inputs_, padded_inputs_ = 0, padded_outputs_ = 0;
  std::vector<int> order_;    // of the points, ascending
  std::vector<int> first_;    // by sorted output: its first input, number of inputs, and offset of their weights
  std::vector<int> count_;
  std::vector<std::size_t> start_;
  std::vector<float> weights_;
  std::vector<Tile> tiles_;
  std::vector<float> tile_weights_;
};

// From one sampling rate to another. Immutable; the signal's state is in LinearResampler.
class LinearResample {
 public:
  // Rates in whole Hz. Throws FeatureError.
  LinearResample(int rate_in, int rate_out, double cutoff, int num_zeros);

  int rate_in() const { return rate_in_; }
  int rate_out() const { return rate_out_; }

  // Outputs that `inputs` samples make in all: those up to their end if nothing follows (flush), otherwise those
  // whose window ends before theirs.
  std::int64_t count(std::int64_t inputs, bool flush) const;

 private:
  friend class LinearResampler;
  struct Tile {
    std::int64_t input;  // of cycle 0
    int taps;
    std::size_t weights;
  };

  int rate_in_, rate_out_;
  double window_;                     // seconds from its middle to its end, as a float
  std::int64_t unit_in_, unit_out_;   // samples of the time after which both rates meet again
  std::int64_t first_ = 0, last_ = 0; // first and last input of output 0 .. unit_out - 1, relative to their unit
  std::vector<std::int64_t> phase_first_;
  std::vector<float> phase_weights_;  // (unit_out, phase_taps_)
  int phase_taps_ = 0;                // a multiple of kTile
  std::vector<Tile> tiles_;           // a cycle of them; none where the rates meet too seldom
  std::int64_t cycle_in_ = 0, cycle_out_ = 0;
  std::vector<float> tile_weights_;
};

// A signal that arrives in pieces. Whatever the pieces, the outputs are the same bit for bit.
class LinearResampler {
 public:
  explicit LinearResampler(const LinearResample* resample, const SignalKernel* kernel = signal_kernel());

  // Appends to `out` what the next samples make; after flush the resampler is as new.
  void resample(std::span<const float> samples, bool flush, std::vector<float>& out);
  void reset();

 private:
  void emit(std::int64_t end, std::vector<float>& out);

  const LinearResample* plan_;
  const SignalKernel* kernel_;
  std::vector<float> pending_;  // the inputs from offset_ on
  std::vector<float> tiles_;
  std::int64_t offset_ = 0, received_ = 0, emitted_ = 0;
};

// Kaldi's choice of filter for a change of rate: 99% of the lower Nyquist frequency, 6 zeros.
LinearResample downsampling(int rate_in, int rate_out);

}  // namespace sonant

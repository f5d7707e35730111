// The inner loops of the features of frames, for several widths of SIMD registers. In a process, one of them does all
// the work.
#pragma once

#include <cstdint>
#include <vector>

#include "features/fft.h"
#include "features/mel.h"

namespace sonant {

// What a kernel needs to know of the options, in the form in which its loops read it.
struct FramePlan {
  enum class Energy { none, raw, windowed };
  enum class Feature { fbank, mfcc, plp, spectrogram, fourier };

  // From samples to the spectrum.
  RealFft fft;
  std::vector<float> window;  // its size is the length of a frame
  int shift;
  float preemphasis;
  bool remove_dc_offset;
  Energy energy;
  float log_energy_floor;

  // From the spectrum to `dim` columns.
  Feature feature;
  int dim;
  int energy_column;          // unless energy is none
  int bins = 0;               // filters: fbank, mfcc and plp
  bool use_power = true;      // fbank
  bool use_log = true;        // fbank
  float floor = 0;            // of the output of a filter
  int first_column = 0;       // fbank: of the filters; plp: of cepstra 1 and up
  std::vector<float> matrix;  // mfcc: (dim, bins), its rows in the order of the columns; plp: (lpc_order + 1, bins)
  int lpc_order = 0;          // plp
  float compress = 0;         // plp
  int zeroth_column = 0;      // plp
  std::vector<float> lifter;  // plp: (dim,), from cepstrum 0
};

struct FrameKernel {
  int lanes;  // frames at a time

  // Floats of room, aligned to 64 bytes, that the others work in.
  std::size_t (*room)(const FramePlan&);

  // 1 to `lanes` frames, of which the first begins at samples[0] and the others `shift` further each: (count, dim).
  void (*frames)(const FramePlan&, const MelBanks&, const float* samples, int count, float* room, float* out);

  // One frame of fft.size samples that went through offset, preemphasis and window already.
  void (*windowed)(const FramePlan&, const MelBanks&, const float* samples, float* room, float* out);

  // True where the absolute value of a sample is above `largest`, or a sample is NaN.
  bool (*larger)(const float* samples, std::int64_t count, float largest);

  // to[i] = samples[i] * factor
  void (*scale)(const float* samples, std::int64_t count, float factor, float* to);

  // samples[i] += deviation * gauss(seed, first + i), where gauss is normal noise that depends on nothing else.
  void (*dither)(float* samples, std::int64_t count, std::int64_t first, float deviation, std::uint64_t seed);
};

// The kernel with that many lanes (4, 8 or 16), or with 0 the widest that this processor has; null if it lacks it.
const FrameKernel* frame_kernel(int lanes);

}  // namespace sonant

// The inner loops of the filterbank, for several widths of SIMD registers. In a process, one of them does all the work.
#pragma once

#include <cstdint>
#include <vector>

#include "fft.h"
#include "mel.h"

namespace sonant {

// What a kernel needs to know of the options, in the form in which its loops read it.
struct FbankPlan {
  enum class Energy { none, raw, windowed };

  RealFft fft;
  MelBanks mel;
  std::vector<float> window;  // its size is the length of a frame
  int shift;
  float preemphasis;
  bool remove_dc_offset;
  bool use_power;
  bool use_log;
  float floor;                // of the output of a filter
  Energy energy;
  float log_energy_floor;
  int mel_column, energy_column, dim;
};

struct FbankKernel {
  int lanes;  // frames at a time

  // Floats of room, aligned to 64 bytes, that `frames` works in.
  std::size_t (*room)(const FbankPlan&);

  // 1 to `lanes` frames, of which the first begins at samples[0] and the others `shift` further each: (count, dim).
  void (*frames)(const FbankPlan&, const float* samples, int count, float* room, float* out);

  // samples[i] += deviation * gauss(seed, first + i), where gauss is normal noise that depends on nothing else.
  void (*dither)(float* samples, std::int64_t count, std::int64_t first, float deviation, std::uint64_t seed);
};

// The kernel with that many lanes (4, 8 or 16), or with 0 the widest that this processor has; null if it lacks it.
const FbankKernel* fbank_kernel(int lanes);

}  // namespace sonant

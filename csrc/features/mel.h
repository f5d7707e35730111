// Kaldi's mel filters: triangles on the mel scale, with its vocal tract length normalisation (feat/mel-computations of
// Kaldi defines both).
#pragma once

#include <vector>

#include "features/window.h"

namespace sonant {

// Kaldi's MelBanksOptions, by Kaldi's names, and the warp factor that Kaldi takes with each utterance.
struct MelOptions {
  int num_mel_bins = 23;
  double low_freq = 20.0;     // Hz
  double high_freq = 0.0;     // Hz; zero or negative: relative to half the sample frequency
  double vtln_low = 100.0;    // Hz
  double vtln_high = -500.0;  // Hz; negative: relative to half the sample frequency
  double vtln_warp = 1.0;     // 1: no warp
  bool htk_mode = false;
};

// Filter b is sum over i < size[b] of weights[start[b] + i] * spectrum[first[b] + i].
struct MelBanks {
  MelBanks() = default;  // no filters

  // Throws FeatureError where the options make no filters, or filters that no frequency falls into.
  MelBanks(const MelOptions& mel, const FrameOptions& frame, int padded);

  std::vector<int> first, size, start;
  std::vector<float> weights;
  std::vector<float> centers;   // Hz
  std::vector<float> loudness;  // of each center to the ear, by the formula of PLP (Hermansky 1990)
};

float mel_of(float hertz);
float hertz_of(float mel);

// The piecewise linear warp of frequencies: the identity outside [low, high], f / factor between two knees, and
// straight lines from the knees to the ends. Needs low < vtln_low < vtln_high < high and a positive factor.
struct Warp {
  Warp(float low, float high, float vtln_low, float vtln_high, float factor);

  float hertz(float f) const;
  float mel(float m) const { return mel_of(hertz(hertz_of(m))); }

  float low, high, knee_low, knee_high, scale;
};

}  // namespace sonant

// Kaldi's four features of a frame, by Kaldi's names, and what each of them asks of the kernel.
#pragma once

#include <optional>

#include "features/frame_kernel.h"
#include "features/mel.h"
#include "features/window.h"

namespace sonant {

// The log-energy of a frame, as a column of its own or in place of the zeroth coefficient.
struct EnergyOptions {
  bool use_energy = false;
  double energy_floor = 0.0;  // 0: no floor
  bool raw_energy = true;     // before preemphasis and window
  bool htk_compat = false;    // the energy, or the zeroth coefficient, last
};

struct FbankOptions {
  FrameOptions frame;
  MelOptions mel;
  EnergyOptions energy;
  bool use_log_fbank = true;
  bool use_power = true;
};

struct MfccOptions {
  FrameOptions frame;
  MelOptions mel;
  EnergyOptions energy{.use_energy = true};
  int num_ceps = 13;
  double cepstral_lifter = 22.0;  // 0: none
};

struct PlpOptions {
  FrameOptions frame;
  MelOptions mel;
  EnergyOptions energy{.use_energy = true};
  int lpc_order = 12;
  int num_ceps = 13;
  double compress_factor = 0.33333;
  double cepstral_lifter = 22.0;  // 0: none
  double cepstral_scale = 1.0;
};

struct SpectrogramOptions {
  FrameOptions frame;
  EnergyOptions energy{.use_energy = true};  // it always has its energy
  bool return_raw_fft = false;
};

// Everything that the options say, checked. Throws FeatureError for options that make no features.
struct FeatureRecipe {
  FeatureRecipe(const FbankOptions& options);
  FeatureRecipe(const MfccOptions& options);
  FeatureRecipe(const PlpOptions& options);
  FeatureRecipe(const SpectrogramOptions& options);

  FrameOptions frame;
  std::optional<MelOptions> mel;
  Framing framing;
  MelBanks banks;  // those of the options' own warp factor
  FramePlan plan;

 private:
  FeatureRecipe(const FrameOptions& frame, const MelOptions* mel, const EnergyOptions& energy);
};

}  // namespace sonant

#include "features/feature_plans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "features/cepstrum.h"
#include "features/feature_error.h"

namespace sonant {

namespace {

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

void check_number(const char* name, double value, const char* expected, bool good = true) {
  if (!(good && std::isfinite(value))) feature_error(name, "=", value, "; expected ", expected);
}

void check_cepstra(int num_ceps, int most, const char* most_is, double cepstral_lifter) {
  if (num_ceps < 1 || num_ceps > most) {
    feature_error("num_ceps=", num_ceps, "; expected 1 to ", most, ", ", most_is);
  }
  check_number("cepstral_lifter", cepstral_lifter, "a positive number, 22 as a rule, or 0 for no liftering",
               cepstral_lifter == 0 || cepstral_lifter >= 1e-3);
}

// What all features share. Columns and dim are left to the feature.
FramePlan front_of(const FrameOptions& frame, const Framing& framing, const EnergyOptions& energy) {
  using Energy = FramePlan::Energy;
  check_number("preemphasis_coefficient", frame.preemphasis_coefficient, "0 to 1",
               frame.preemphasis_coefficient >= 0 && frame.preemphasis_coefficient <= 1);
  check_number("dither", frame.dither, "the deviation of the noise, or 0 for none", frame.dither >= 0);
  check_number("sample_scale", frame.sample_scale,
               "32768 for samples in [-1, 1], or 1 for samples on the scale of 16-bit integers",
               frame.sample_scale > 0);
  check_number("blackman_coeff", frame.blackman_coeff, "a number, 0.42 as a rule");
  check_number("energy_floor", energy.energy_floor, "an energy, or 0 for no floor", energy.energy_floor >= 0);
  return FramePlan{
      .fft = RealFft(framing.padded()),
      .window = window_function(frame, framing.length()),
      .shift = framing.shift(),
      .preemphasis = float(frame.preemphasis_coefficient),
      .remove_dc_offset = frame.remove_dc_offset,
      .energy = !energy.use_energy ? Energy::none : energy.raw_energy ? Energy::raw : Energy::windowed,
      .log_energy_floor = energy.energy_floor > 0 ? float(std::log(energy.energy_floor))
                                                  : -std::numeric_limits<float>::infinity(),
      .feature = {},
      .dim = 0,
      .energy_column = 0,
      .matrix = {},
      .lifter = {},
  };
}

}  // namespace

FeatureRecipe::FeatureRecipe(const FrameOptions& frame_options, const MelOptions* mel_options,
                             const EnergyOptions& energy)
    : frame(frame_options),
      mel(mel_options ? std::optional(*mel_options) : std::nullopt),
      framing(frame),
      banks(mel ? MelBanks(*mel, frame, framing.padded()) : MelBanks()),
      plan(front_of(frame, framing, energy)) {
  plan.bins = mel ? mel->num_mel_bins : 0;
  if (mel && mel->htk_mode) plan.floor = 1.0f;
}

FeatureRecipe::FeatureRecipe(const FbankOptions& options)
    : FeatureRecipe(options.frame, &options.mel, options.energy) {
  const bool has_energy = options.energy.use_energy, first = has_energy && !options.energy.htk_compat;
  plan.feature = FramePlan::Feature::fbank;
  plan.use_power = options.use_power;
  plan.use_log = options.use_log_fbank;
  if (plan.use_log) plan.floor = std::max(plan.floor, kEpsilon);
  plan.first_column = first ? 1 : 0;
  plan.energy_column = first ? 0 : plan.bins;
  plan.dim = plan.bins + (has_energy ? 1 : 0);
}

FeatureRecipe::FeatureRecipe(const MfccOptions& options)
    : FeatureRecipe(options.frame, &options.mel, options.energy) {
  check_cepstra(options.num_ceps, plan.bins, "num_mel_bins: ask for fewer, or for more filters",
                options.cepstral_lifter);
  plan.feature = FramePlan::Feature::mfcc;
  plan.floor = std::max(plan.floor, kEpsilon);
  plan.dim = options.num_ceps;
  plan.energy_column = options.energy.htk_compat ? plan.dim - 1 : 0;
  plan.matrix = dct_matrix(plan.dim, plan.bins);
  const std::vector<float> factors = lifter(options.cepstral_lifter, plan.dim);
  for (int i = 0; i < plan.dim; ++i) {
    for (int bin = 0; bin < plan.bins; ++bin) plan.matrix[i * plan.bins + bin] *= factors[i];
  }
  if (options.energy.htk_compat) {
    // HTK has cepstrum 0 last, and its transform lacks the factor that makes that row orthonormal.
    std::rotate(plan.matrix.begin(), plan.matrix.begin() + plan.bins, plan.matrix.end());
    std::for_each(plan.matrix.end() - plan.bins, plan.matrix.end(),
                  [](float& factor) { factor *= std::numbers::sqrt2_v<float>; });
  }
}

FeatureRecipe::FeatureRecipe(const PlpOptions& options)
    : FeatureRecipe(options.frame, &options.mel, options.energy) {
  if (options.lpc_order < 1 || options.lpc_order > plan.bins + 1) {
    feature_error("lpc_order=", options.lpc_order, "; expected 1 to ", plan.bins + 1,
                  ", num_mel_bins + 1: ask for less, or for more filters");
  }
  check_cepstra(options.num_ceps, options.lpc_order + 1, "lpc_order + 1: ask for fewer, or for a higher order",
                options.cepstral_lifter);
  check_number("compress_factor", options.compress_factor, "an exponent above 0 and at most 1, 0.33333 as a rule",
               options.compress_factor > 0 && options.compress_factor <= 1);
  check_number("cepstral_scale", options.cepstral_scale, "a factor, 1 as a rule",
               std::fabs(options.cepstral_scale) <= 1e6);
  plan.feature = FramePlan::Feature::plp;
  plan.use_log = false;
  plan.lpc_order = options.lpc_order;
  plan.compress = float(options.compress_factor);
  plan.dim = options.num_ceps;
  plan.zeroth_column = plan.energy_column = options.energy.htk_compat ? plan.dim - 1 : 0;
  plan.first_column = options.energy.htk_compat ? 0 : 1;
  plan.matrix = autocorrelation_matrix(options.lpc_order + 1, plan.bins);
  plan.lifter = lifter(options.cepstral_lifter, plan.dim);
  for (float& factor : plan.lifter) factor *= float(options.cepstral_scale);
}

FeatureRecipe::FeatureRecipe(const SpectrogramOptions& options)
    : FeatureRecipe(options.frame, nullptr, options.energy) {
  if (options.return_raw_fft) {
    plan.feature = FramePlan::Feature::fourier;
    plan.energy = FramePlan::Energy::none;
    plan.dim = plan.fft.size;
  } else {
    plan.feature = FramePlan::Feature::spectrogram;
    plan.dim = plan.fft.half + 1;
  }
}

}  // namespace sonant

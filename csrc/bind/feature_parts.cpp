// The pieces that features are made of, for those who compute features elsewhere or ask for one of them by name.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "features/cepstrum.h"
#include "features/feature_error.h"
#include "features/frame_feature.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Vector = nb::ndarray<nb::numpy, float, nb::ndim<1>>;
using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
using Input = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Array, typename... Shape>
Array owned(std::unique_ptr<float[]> data, Shape... shape) {
  nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Array(data.release(), {std::size_t(shape)...}, owner);
}

Vector vector_of(const std::vector<float>& values) {
  auto data = std::make_unique<float[]>(values.size());
  std::copy(values.begin(), values.end(), data.get());
  return owned<Vector>(std::move(data), values.size());
}

// (bins, frequencies)
Matrix filters(const sonant::FrameFeature& feature, double warp) {
  const auto banks = feature.banks(warp);
  const std::size_t bins = banks->first.size(), frequencies = std::size_t(feature.framing().padded()) / 2 + 1;
  auto data = std::make_unique<float[]>(bins * frequencies);
  for (std::size_t b = 0; b < bins; ++b) {
    std::copy_n(banks->weights.data() + banks->start[b], banks->size[b],
                data.get() + b * frequencies + banks->first[b]);
  }
  return owned<Matrix>(std::move(data), bins, frequencies);
}

// The energy of the residual and the predictor's coefficients.
std::pair<float, Vector> linear_prediction(const Input& autocorrelation) {
  const int order = int(autocorrelation.size()) - 1;
  if (order < 1) sonant::feature_error("an autocorrelation of ", order + 1, " values; expected two or more");
  std::vector<float> predictor(order), room(order);
  float energy;
  {
    nb::gil_scoped_release no_gil;
    energy = sonant::durbin(order, autocorrelation.data(), predictor.data(), room.data());
  }
  return {energy, vector_of(predictor)};
}

}  // namespace

void bind_feature_parts(nb::module_& m) {
  using sonant::FrameFeature;
  using sonant::SpectrogramOptions;  // it has what there is to say about frames, and no more
  m.def("framing", [](const SpectrogramOptions& o) { return sonant::Framing(o.frame); }, "options"_a);
  m.def("window", [](const SpectrogramOptions& o) {
          return vector_of(sonant::window_function(o.frame, sonant::Framing(o.frame).length()));
        }, "options"_a);
  m.def("window", [](const FrameFeature& f) { return vector_of(f.recipe().plan.window); }, "feature"_a);
  m.def("mel_filters", filters, "feature"_a, "warp"_a);
  m.def("mel_centers", [](const FrameFeature& f, double warp) { return vector_of(f.banks(warp)->centers); },
        "feature"_a, "warp"_a);
  m.def("mel_loudness", [](const FrameFeature& f, double warp) { return vector_of(f.banks(warp)->loudness); },
        "feature"_a, "warp"_a);
  m.def("mel_of", sonant::mel_of, "hertz"_a);
  m.def("hertz_of", sonant::hertz_of, "mel"_a);
  m.def("warped_hertz", [](float low, float high, float vtln_low, float vtln_high, float factor, float hertz) {
          return sonant::Warp(low, high, vtln_low, vtln_high, factor).hertz(hertz);
        }, "low"_a, "high"_a, "vtln_low"_a, "vtln_high"_a, "factor"_a, "hertz"_a);
  m.def("lifter", [](double q, int count) { return vector_of(sonant::lifter(q, count)); }, "q"_a, "count"_a);
  m.def("linear_prediction", linear_prediction, "autocorrelation"_a.noconvert());
}

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <span>
#include <stdexcept>

#include "gmm/gmm.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Ends = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

std::span<const float> view(const Vector& values) { return {values.data(), values.size()}; }

void check_shapes(const Vector& constants, const Matrix& means_invvars, const Matrix& inv_vars) {
  if (means_invvars.shape(0) != constants.size() || inv_vars.shape(0) != constants.size() ||
      inv_vars.shape(1) != means_invvars.shape(1)) {
    throw std::invalid_argument("the numbers of Gaussians or dimensions differ");
  }
}

nb::tuple gconsts(const Vector& weights, const Matrix& means_invvars, const Matrix& inv_vars) {
  check_shapes(weights, means_invvars, inv_vars);
  std::unique_ptr<float[]> values(new float[weights.size()]);
  int bad;
  {
    nb::gil_scoped_release no_gil;
    bad = sonant::diag_gconsts(view(weights), means_invvars.data(), inv_vars.data(), int(inv_vars.shape(1)),
                               values.get());
  }
  nb::capsule owner(values.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  nb::ndarray<nb::numpy, float, nb::ndim<1>> made(values.release(), {weights.size()}, owner);
  return nb::make_tuple(nb::cast(std::move(made)), bad);
}

// `fill(features, frames, out)` without the GIL, into a new (frames, columns) array.
template <typename Fill>
Result computed(const sonant::DiagGmms& gmms, const Matrix& features, std::int64_t columns, Fill fill) {
  if (features.shape(1) != std::size_t(gmms.dim())) throw std::invalid_argument("the features have another dimension");
  const std::size_t frames = features.shape(0);
  std::unique_ptr<float[]> values(new float[frames * columns]);
  {
    nb::gil_scoped_release no_gil;
    fill(features.data(), std::int64_t(frames), values.get());
  }
  nb::capsule owner(values.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Result(values.release(), {frames, std::size_t(columns)}, owner);
}

}  // namespace

void bind_gmm(nb::module_& m) {
  m.def("diag_gconsts", gconsts, "weights"_a.noconvert(), "means_invvars"_a.noconvert(), "inv_vars"_a.noconvert(),
        "(gconsts, how many of them are infinite)");

  nb::class_<sonant::DiagGmms>(m, "DiagGmms", "Mixtures of diagonal Gaussians, packed for their log-likelihoods.")
      .def(
          "__init__",
          [](sonant::DiagGmms* self, const Vector& gconsts, const Matrix& means_invvars, const Matrix& inv_vars,
             const Ends& ends, int lanes) {
            check_shapes(gconsts, means_invvars, inv_vars);
            nb::gil_scoped_release no_gil;
            new (self) sonant::DiagGmms(int(inv_vars.shape(1)), view(gconsts), means_invvars.data(), inv_vars.data(),
                                        {ends.data(), ends.size()}, lanes);
          },
          "gconsts"_a.noconvert(), "means_invvars"_a.noconvert(), "inv_vars"_a.noconvert(), "ends"_a.noconvert(),
          "lanes"_a = 0)
      .def_prop_ro("lanes", &sonant::DiagGmms::lanes)
      .def(
          "log_likelihoods",
          [](const sonant::DiagGmms& gmms, const Matrix& features, float prune, int num_threads) {
            std::int64_t bad = -1;
            Result result = computed(gmms, features, gmms.num_mixtures(),
                                     [&](const float* x, std::int64_t frames, float* out) {
                                       bad = gmms.log_likelihoods(x, frames, prune, num_threads, out);
                                     });
            return nb::make_tuple(nb::cast(std::move(result)), bad);
          },
          "features"_a.noconvert(), "prune"_a = 0.0f, "num_threads"_a = 1,
          "((frames, mixtures), flat index of the first value that is not finite or -1)")
      .def(
          "component_log_likelihoods",
          [](const sonant::DiagGmms& gmms, const Matrix& features, int num_threads) {
            return computed(gmms, features, gmms.num_gaussians(),
                            [&](const float* x, std::int64_t frames, float* out) {
                              gmms.component_log_likelihoods(x, frames, num_threads, out);
                            });
          },
          "features"_a.noconvert(), "num_threads"_a = 1, "(frames, gaussians)");
}

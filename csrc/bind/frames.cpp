#include "features/frames.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
using Stats = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using ConstStats = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

sonant::Frames view(const Matrix& m) { return {m.data(), std::int64_t(m.shape(0)), int(m.shape(1))}; }

// A (rows, columns) array that owns its memory, filled by `fill(data)` without the GIL.
template <typename Fill>
Output filled(std::size_t rows, std::size_t columns, Fill fill) {
  std::unique_ptr<float[]> data(new float[rows * columns]);
  {
    nb::gil_scoped_release no_gil;
    fill(data.get());
  }
  nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Output(data.release(), {rows, columns}, owner);
}

// The statistics that python hands over must be of the shape that the loops assume.
template <typename Array>
void require_stats(const Array& stats, int dim, const char* name) {
  if (stats.shape(0) == 2 && stats.shape(1) == std::size_t(dim) + 1) return;
  sonant::feature_error(name, ": array (", stats.shape(0), ", ", stats.shape(1), "); expected (2, ", dim + 1,
                        ") for features of ", dim, " columns");
}

class Filters {
 public:
  Filters(std::vector<std::int64_t> first, std::vector<std::vector<float>> taps) {
    if (first.size() != taps.size()) sonant::feature_error("filters: one `first` for each list of taps is needed");
    for (std::size_t i = 0; i < first.size(); ++i) filters_.push_back({first[i], std::move(taps[i])});
  }

  Output compute(const Matrix& features, std::int64_t begin, std::int64_t end) const {
    const sonant::Frames frames = view(features);
    if (begin < 0 || begin > end || end > frames.count) {
      sonant::feature_error("frames ", begin, " to ", end, " of ", frames.count, " cannot be computed");
    }
    return filled(std::size_t(end - begin), filters_.size() * std::size_t(frames.dim),
                  [&](float* to) { sonant::filter_frames(frames, filters_, begin, end, to); });
  }

 private:
  std::vector<sonant::FrameFilter> filters_;
};

std::vector<double> copied(const std::optional<ConstStats>& stats, int dim, const char* name) {
  if (!stats) return {};
  require_stats(*stats, dim, name);
  return {stats->data(), stats->data() + stats->size()};
}

class OnlineCmvn {
 public:
  OnlineCmvn(int dim, std::int64_t window, double speaker_frames, double global_frames, bool normalize_mean,
             bool normalize_variance, std::vector<int> skip_dims, std::optional<ConstStats> speaker,
             std::optional<ConstStats> global)
      : dim_(dim),
        options_{window, speaker_frames, global_frames, normalize_mean, normalize_variance, std::move(skip_dims),
                 copied(speaker, dim, "speaker statistics"), copied(global, dim, "global statistics")} {
    for (const int d : options_.skip_dims) {
      if (d < 0 || d >= dim) sonant::feature_error("skip_dims: ", d, "; expected 0 to ", dim - 1);
    }
  }

  Output compute(const Matrix& features, const Matrix& leaving, const Stats& stats) const {
    check(features, leaving, stats);
    return filled(features.shape(0), std::size_t(dim_), [&](float* to) {
      sonant::require_finite(view(features));
      sonant::online_cmvn(view(features), view(leaving), options_, stats.data(), to);
    });
  }

  void accumulate(const Matrix& features, const Matrix& leaving, const Stats& stats) const {
    check(features, leaving, stats);
    nb::gil_scoped_release no_gil;
    sonant::require_finite(view(features));
    sonant::online_cmvn(view(features), view(leaving), options_, stats.data(), nullptr);
  }

  void smooth(const Stats& stats) const {
    require_stats(stats, dim_, "statistics");
    sonant::smooth_cmvn(options_, dim_, stats.data());
  }

 private:
  void check(const Matrix& features, const Matrix& leaving, const Stats& stats) const {
    for (const Matrix* m : {&features, &leaving}) {
      if (m->shape(1) != std::size_t(dim_)) {
        sonant::feature_error("features have ", m->shape(1), " columns; expected ", dim_);
      }
    }
    if (leaving.shape(0) > features.shape(0)) {
      sonant::feature_error(leaving.shape(0), " frames leave the window as ", features.shape(0), " enter it");
    }
    require_stats(stats, dim_, "statistics");
  }

  int dim_;
  sonant::OnlineCmvn options_;
};

}  // namespace

void bind_frames(nb::module_& m) {
  m.def("require_finite", [](const Matrix& features) {
    nb::gil_scoped_release no_gil;
    sonant::require_finite(view(features));
  }, "features"_a.noconvert());

  nb::class_<Filters>(m, "FrameFilters")
      .def(nb::init<std::vector<std::int64_t>, std::vector<std::vector<float>>>(), "first"_a, "taps"_a)
      .def("compute", &Filters::compute, "features"_a.noconvert(), "begin"_a, "end"_a);

  m.def("accumulate_cmvn", [](const Matrix& features, const std::optional<Weights>& weights, const Stats& stats) {
    const sonant::Frames frames = view(features);
    require_stats(stats, frames.dim, "statistics");
    if (weights && weights->size() != std::size_t(frames.count)) {
      sonant::feature_error(weights->size(), " weights for ", frames.count, " frames; expected as many");
    }
    nb::gil_scoped_release no_gil;
    sonant::require_finite(frames);
    if (weights) sonant::require_finite({weights->data(), frames.count, 1});
    sonant::accumulate_cmvn(frames, weights ? weights->data() : nullptr, stats.data());
  }, "features"_a.noconvert(), "weights"_a.noconvert().none(), "stats"_a.noconvert());

  m.def("sliding_cmn", [](const Matrix& features, std::int64_t window, std::int64_t min_window, bool center,
                          bool normalize_variance) {
    std::vector<std::int64_t> floored;
    const sonant::Frames frames = view(features);
    Output output = filled(features.shape(0), features.shape(1), [&](float* to) {
      sonant::require_finite(frames);
      floored = sonant::sliding_cmn(frames, {window, min_window, center, normalize_variance}, to);
    });
    return nb::make_tuple(nb::cast(std::move(output)), floored);
  }, "features"_a.noconvert(), "window"_a, "min_window"_a, "center"_a, "normalize_variance"_a);

  nb::class_<OnlineCmvn>(m, "OnlineCmvn")
      .def(nb::init<int, std::int64_t, double, double, bool, bool, std::vector<int>, std::optional<ConstStats>,
                    std::optional<ConstStats>>(),
           "dim"_a, "window"_a, "speaker_frames"_a, "global_frames"_a, "normalize_mean"_a, "normalize_variance"_a,
           "skip_dims"_a, "speaker"_a.none(), "global_stats"_a.none())
      .def("compute", &OnlineCmvn::compute, "features"_a.noconvert(), "leaving"_a.noconvert(),
           "stats"_a.noconvert())
      .def("accumulate", &OnlineCmvn::accumulate, "features"_a.noconvert(), "leaving"_a.noconvert(),
           "stats"_a.noconvert())
      .def("smooth", &OnlineCmvn::smooth, "stats"_a.noconvert());
}

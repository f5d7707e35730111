#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "features/frame_feature.h"
#include "waveforms.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Features = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

// Uninitialised floats, to be freed by delete[]. Large arrays ask for large pages: otherwise a list of recordings
// spends as much time on the kernel's handing out of pages as on their features.
float* new_floats(std::size_t count) {
  float* data = new float[count];
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t kLarge = std::uintptr_t(2) << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kLarge - 1) / kLarge * kLarge;
  const auto end = reinterpret_cast<std::uintptr_t>(data + count) / kLarge * kLarge;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
  return data;
}

// An uninitialised (frames, dim) array that owns its memory.
Features allocate(std::int64_t frames, int dim) {
  float* data = new_floats(std::size_t(frames) * dim);
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Features(data, {std::size_t(frames), std::size_t(dim)}, owner);
}

// `warps`: a factor for each waveform.
nb::list compute(const sonant::FrameFeature& feature, const nb::list& waveforms, const std::vector<double>& warps,
                 int num_threads) {
  const std::vector<Samples> inputs = samples_of(waveforms);
  std::vector<Features> outputs;
  for (const Samples& input : inputs) {
    outputs.push_back(allocate(feature.framing().count(std::int64_t(input.size()), true), feature.dim()));
  }
  for_each_waveform(inputs, num_threads, [&](std::size_t i) {
    feature.compute(view(inputs[i]), warps[i], outputs[i].data());
  });
  nb::list result;
  for (Features& features : outputs) result.append(nb::cast(std::move(features)));
  return result;
}

// A stream that may be handed from thread to thread, and refuses what comes after its end.
class Stream {
 public:
  Stream(std::shared_ptr<const sonant::FrameFeature> feature, double warp)
      : dim_(feature->dim()), stream_(std::move(feature), warp) {}

  Features feed(const Samples& samples) {
    return next(std::int64_t(samples.size()), false, [&](float* to) { stream_.feed(view(samples), to); });
  }

  Features finish() {
    return next(0, true, [&](float* to) { stream_.finish(to); });
  }

 private:
  template <typename Fill>
  Features next(std::int64_t samples, bool last, Fill fill) {
    std::unique_ptr<float[]> data;
    std::int64_t frames;
    {
      nb::gil_scoped_release no_gil;
      std::lock_guard lock(mutex_);
      if (finished_) {
        sonant::feature_error("this stream is finished; expected no more calls: start another with stream()");
      }
      frames = stream_.frames_after(samples, last);
      data.reset(new float[std::size_t(frames) * dim_]);
      fill(data.get());
      finished_ = last;
    }
    nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
    return Features(data.release(), {std::size_t(frames), std::size_t(dim_)}, owner);
  }

  int dim_;
  sonant::FrameStream stream_;
  bool finished_ = false;
  std::mutex mutex_;
};

Features compute_windowed(const sonant::FrameFeature& feature, const Samples& frame, float log_energy, double warp) {
  Features row = allocate(1, feature.dim());
  nb::gil_scoped_release no_gil;
  feature.compute_windowed(view(frame), log_energy, warp, row.data());
  return row;
}

// The options of a feature, and the making of it from them.
template <typename Options>
nb::class_<Options> bind_options(nb::module_& m, const char* name, nb::class_<sonant::FrameFeature>& feature) {
  auto options = nb::class_<Options>(m, name).def(nb::init<>());
#define SONANT_OPTION(NAME, MEMBER)                    \
  options.def_prop_rw(                                 \
      NAME, [](const Options& o) { return o.MEMBER; }, \
      [](Options& o, decltype(Options{}.MEMBER) value) { o.MEMBER = value; })
  SONANT_OPTION("sample_frequency", frame.sample_frequency);
  SONANT_OPTION("frame_length", frame.frame_length);
  SONANT_OPTION("frame_shift", frame.frame_shift);
  SONANT_OPTION("dither", frame.dither);
  SONANT_OPTION("preemphasis_coefficient", frame.preemphasis_coefficient);
  SONANT_OPTION("remove_dc_offset", frame.remove_dc_offset);
  SONANT_OPTION("window_type", frame.window_type);
  SONANT_OPTION("round_to_power_of_two", frame.round_to_power_of_two);
  SONANT_OPTION("blackman_coeff", frame.blackman_coeff);
  SONANT_OPTION("snip_edges", frame.snip_edges);
  SONANT_OPTION("sample_scale", frame.sample_scale);
  SONANT_OPTION("seed", frame.seed);
  if constexpr (requires(Options o) { o.mel; }) {
    SONANT_OPTION("num_mel_bins", mel.num_mel_bins);
    SONANT_OPTION("low_freq", mel.low_freq);
    SONANT_OPTION("high_freq", mel.high_freq);
    SONANT_OPTION("vtln_low", mel.vtln_low);
    SONANT_OPTION("vtln_high", mel.vtln_high);
    SONANT_OPTION("vtln_warp", mel.vtln_warp);
    SONANT_OPTION("htk_mode", mel.htk_mode);
    SONANT_OPTION("use_energy", energy.use_energy);
    SONANT_OPTION("htk_compat", energy.htk_compat);
  }
  SONANT_OPTION("energy_floor", energy.energy_floor);
  SONANT_OPTION("raw_energy", energy.raw_energy);
#undef SONANT_OPTION
  feature.def(
      "__init__",
      [](sonant::FrameFeature* self, const Options& o, int lanes) { new (self) sonant::FrameFeature(o, lanes); },
      "options"_a, "lanes"_a = 0);
  return options;
}

}  // namespace

void bind_features(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& caught, void*) {
    try {
      std::rethrow_exception(caught);
    } catch (const sonant::FeatureError& error) {
      PyErr_SetString(nb::module_::import_("sonant.errors").attr("FeatureError").ptr(), error.what());
    }
  });

  nb::class_<sonant::Framing>(m, "Framing")
      .def_prop_ro("length", &sonant::Framing::length)
      .def_prop_ro("shift", &sonant::Framing::shift)
      .def_prop_ro("padded", &sonant::Framing::padded)
      .def("first_sample", &sonant::Framing::first_sample, "frame"_a)
      .def("count", &sonant::Framing::count, "samples"_a, "ended"_a);
  auto feature = nb::class_<sonant::FrameFeature>(m, "FrameFeature");
  bind_options<sonant::FbankOptions>(m, "FbankOptions", feature)
      .def_rw("use_log_fbank", &sonant::FbankOptions::use_log_fbank)
      .def_rw("use_power", &sonant::FbankOptions::use_power);
  bind_options<sonant::MfccOptions>(m, "MfccOptions", feature)
      .def_rw("num_ceps", &sonant::MfccOptions::num_ceps)
      .def_rw("cepstral_lifter", &sonant::MfccOptions::cepstral_lifter);
  bind_options<sonant::PlpOptions>(m, "PlpOptions", feature)
      .def_rw("lpc_order", &sonant::PlpOptions::lpc_order)
      .def_rw("num_ceps", &sonant::PlpOptions::num_ceps)
      .def_rw("compress_factor", &sonant::PlpOptions::compress_factor)
      .def_rw("cepstral_lifter", &sonant::PlpOptions::cepstral_lifter)
      .def_rw("cepstral_scale", &sonant::PlpOptions::cepstral_scale);
  bind_options<sonant::SpectrogramOptions>(m, "SpectrogramOptions", feature)
      .def_rw("return_raw_fft", &sonant::SpectrogramOptions::return_raw_fft);

  feature.def_prop_ro("dim", &sonant::FrameFeature::dim)
      .def_prop_ro("lanes", &sonant::FrameFeature::lanes)
      .def_prop_ro("warp", &sonant::FrameFeature::warp)
      .def_prop_ro("framing", &sonant::FrameFeature::framing)
      .def("check_warp", [](const sonant::FrameFeature& f, double warp) { f.banks(warp); }, "warp"_a)
      .def("compute", compute, "waveforms"_a, "warps"_a, "num_threads"_a)
      .def("compute_windowed", compute_windowed, "frame"_a.noconvert(), "log_energy"_a, "warp"_a);

  nb::class_<Stream>(m, "FrameStream")
      .def(nb::init<std::shared_ptr<const sonant::FrameFeature>, double>(), "feature"_a, "warp"_a)
      .def("feed", &Stream::feed, "samples"_a.noconvert())
      .def("finish", &Stream::finish);
}

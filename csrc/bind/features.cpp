#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "fbank.h"
#include "pool.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Samples = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Features = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

std::span<const float> view(const Samples& samples) { return {samples.data(), samples.size()}; }

// An uninitialised (frames, dim) array that owns its memory.
Features allocate(std::int64_t frames, int dim) {
  float* data = new float[std::size_t(frames) * dim];
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Features(data, {std::size_t(frames), std::size_t(dim)}, owner);
}

nb::list compute(const sonant::Fbank& fbank, const nb::list& waveforms, int num_threads) {
  std::vector<Samples> inputs;
  std::vector<Features> outputs;
  std::vector<std::size_t> order(waveforms.size());
  std::vector<std::string> errors(waveforms.size());
  for (nb::handle waveform : waveforms) {
    inputs.push_back(nb::cast<Samples>(waveform, false));
    outputs.push_back(allocate(fbank.framing().count(std::int64_t(inputs.back().size()), true), fbank.dim()));
  }
  std::iota(order.begin(), order.end(), 0);
  // Longest first, so that no thread is left alone with a long one at the end.
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return inputs[a].size() > inputs[b].size(); });
  {
    nb::gil_scoped_release no_gil;
    sonant::parallel_for(inputs.size(), num_threads, [&](std::size_t i) {
      const std::size_t which = order[i];
      try {
        fbank.compute(view(inputs[which]), outputs[which].data());
      } catch (const sonant::FeatureError& error) {
        errors[which] = error.what();
      }
    });
  }
  // The first bad waveform is reported, whatever the order in which threads came to them.
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (errors[i].empty()) continue;
    if (errors.size() == 1) throw sonant::FeatureError(errors[i]);
    sonant::feature_error("waveform ", i, " of ", errors.size(), ": ", errors[i]);
  }
  nb::list result;
  for (Features& features : outputs) result.append(nb::cast(std::move(features)));
  return result;
}

// A stream that may be handed from thread to thread, and refuses what comes after its end.
class Stream {
 public:
  explicit Stream(std::shared_ptr<const sonant::Fbank> fbank) : dim_(fbank->dim()), stream_(std::move(fbank)) {}

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
        sonant::feature_error("this stream is finished; expected no more calls: start another with Fbank.stream()");
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
  sonant::FbankStream stream_;
  bool finished_ = false;
  std::mutex mutex_;
};

// The filters as a matrix (bins, frequencies), for those who compute features elsewhere, with the window.
Features mel_filters(const sonant::FbankOptions& options) {
  const sonant::Framing framing(options.frame);
  const sonant::MelBanks banks(options.mel, options.frame, framing.padded());
  const int frequencies = framing.padded() / 2 + 1;
  Features matrix = allocate(std::int64_t(banks.first.size()), frequencies);
  std::fill_n(matrix.data(), matrix.size(), 0.0f);
  for (std::size_t b = 0; b < banks.first.size(); ++b) {
    std::copy_n(banks.weights.data() + banks.start[b], banks.size[b],
                matrix.data() + b * frequencies + banks.first[b]);
  }
  return matrix;
}

Features window(const sonant::FbankOptions& options) {
  const sonant::Framing framing(options.frame);
  const std::vector<float> values = sonant::window_function(options.frame, framing.length());
  Features row = allocate(1, framing.length());
  std::copy(values.begin(), values.end(), row.data());
  return row;
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

  using sonant::FbankOptions;
  nb::class_<FbankOptions> options(m, "FbankOptions");
  options.def(nb::init<>());
#define SONANT_OPTION(NAME, MEMBER)                                             \
  options.def_prop_rw(                                                          \
      NAME, [](const FbankOptions& o) { return o.MEMBER; },                     \
      [](FbankOptions& o, decltype(FbankOptions{}.MEMBER) value) { o.MEMBER = value; })
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
  SONANT_OPTION("num_mel_bins", mel.num_mel_bins);
  SONANT_OPTION("low_freq", mel.low_freq);
  SONANT_OPTION("high_freq", mel.high_freq);
  SONANT_OPTION("vtln_low", mel.vtln_low);
  SONANT_OPTION("vtln_high", mel.vtln_high);
  SONANT_OPTION("vtln_warp", mel.vtln_warp);
  SONANT_OPTION("htk_mode", mel.htk_mode);
  SONANT_OPTION("use_energy", use_energy);
  SONANT_OPTION("energy_floor", energy_floor);
  SONANT_OPTION("raw_energy", raw_energy);
  SONANT_OPTION("htk_compat", htk_compat);
  SONANT_OPTION("use_log_fbank", use_log_fbank);
  SONANT_OPTION("use_power", use_power);
#undef SONANT_OPTION

  nb::class_<sonant::Fbank>(m, "Fbank")
      .def(nb::init<const FbankOptions&, int>(), "options"_a, "lanes"_a = 0)
      .def_prop_ro("dim", &sonant::Fbank::dim)
      .def_prop_ro("lanes", &sonant::Fbank::lanes)
      .def("num_frames",
           [](const sonant::Fbank& fbank, std::int64_t samples) { return fbank.framing().count(samples, true); })
      .def("compute", compute, "waveforms"_a, "num_threads"_a = 0);

  m.def("mel_filters", mel_filters, "options"_a);
  m.def("window", window, "options"_a);

  nb::class_<Stream>(m, "FbankStream")
      .def(nb::init<std::shared_ptr<const sonant::Fbank>>(), "fbank"_a)
      .def("feed", &Stream::feed, "samples"_a.noconvert())
      .def("finish", &Stream::finish);
}

// Pitch and Kaldi's resampling. The errors that these throw are translated by bind_features.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

#include "features/pitch.h"
#include "waveforms.h"

namespace nb = nanobind;
using namespace nb::literals;
using sonant::feature_error;

namespace {

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<nb::numpy, float, nb::ndim<1>>;
using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

// An array that owns the values.
template <typename Array>
Array own(std::vector<float>&& values, std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<float>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return Array(kept->data(), shape, owner);
}

Matrix matrix(std::vector<float>&& values, int dim) {
  const std::size_t rows = values.size() / std::size_t(dim);
  return own<Matrix>(std::move(values), {rows, std::size_t(dim)});
}

void check_finite(std::span<const float> samples) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i])) {
      feature_error("sample ", i, " of ", samples.size(), " is ", samples[i], "; expected finite samples");
    }
  }
}

nb::list compute(const sonant::Pitch& pitch, const nb::list& waveforms, int num_threads) {
  const std::vector<Samples> inputs = samples_of(waveforms);
  std::vector<std::vector<float>> outputs(inputs.size());
  for_each_waveform(inputs, num_threads, [&](std::size_t i) { outputs[i] = pitch.compute(view(inputs[i])); });
  nb::list result;
  for (auto& features : outputs) result.append(nb::cast(matrix(std::move(features), pitch.dim())));
  return result;
}

// The streams may be handed from thread to thread, and refuse what comes after their end.
class PitchPieces {
 public:
  explicit PitchPieces(std::shared_ptr<const sonant::Pitch> pitch) : dim_(pitch->dim()), stream_(std::move(pitch)) {}

  Matrix feed(const Samples& samples) {
    return call([&] {
      if (finished_) {
        feature_error("this stream is finished; expected no more calls: start another with Pitch.stream()");
      }
      return stream_.feed(view(samples));
    });
  }

  Matrix finish() {
    return call([&] {
      if (finished_) feature_error("this stream is finished; expected no more calls: start another with Pitch.stream()");
      finished_ = true;
      return stream_.finish();
    });
  }

  Matrix final_features() {
    return call([&] {
      if (!finished_) feature_error("this stream is not finished; expected finish() before the final features");
      return stream_.final_features();
    });
  }

 private:
  template <typename Call>
  Matrix call(Call body) {
    std::vector<float> features;
    {
      nb::gil_scoped_release no_gil;
      std::lock_guard lock(mutex_);
      features = body();
    }
    return matrix(std::move(features), dim_);
  }

  int dim_;
  sonant::PitchStream stream_;
  bool finished_ = false;
  std::mutex mutex_;
};

// Kaldi's OnlinePitchFeature: the caller's chunks are the tracker's.
class PitchChunks {
 public:
  explicit PitchChunks(std::shared_ptr<const sonant::Pitch> pitch) : pitch_(std::move(pitch)), tracker_(&pitch_->plan()) {}

  void accept(const Samples& samples) {
    guarded([&] {
      if (tracker_.finished()) feature_error("input is finished; expected no more samples");
      tracker_.append(view(samples));
      tracker_.advance();
    });
  }

  void finish() {
    guarded([&] {
      if (!tracker_.finished()) tracker_.finish();
    });
  }

  std::int64_t frames_ready() {
    std::int64_t frames = 0;
    guarded([&] { frames = tracker_.frames_ready(); });
    return frames;
  }

  bool finished() {
    bool finished = false;
    guarded([&] { finished = tracker_.finished(); });
    return finished;
  }

  Matrix track(std::int64_t begin, std::int64_t end) {
    std::vector<float> rows;
    guarded([&] {
      const std::int64_t ready = tracker_.frames_ready();
      if (begin < 0 || begin > end || end > ready) {
        feature_error("frames ", begin, " to ", end, "; expected frames from 0 to ", ready, ", which are ready");
      }
      rows.resize(std::size_t(end - begin) * 2);
      tracker_.track(begin, end, rows.data());
    });
    return matrix(std::move(rows), 2);
  }

 private:
  template <typename Body>
  void guarded(Body body) {
    nb::gil_scoped_release no_gil;
    std::lock_guard lock(mutex_);
    body();
  }

  std::shared_ptr<const sonant::Pitch> pitch_;
  sonant::PitchTracker tracker_;
  std::mutex mutex_;
};

Matrix process(const sonant::ProcessPitch& process, const Rows& track, std::int64_t ready, std::int64_t begin,
               std::int64_t end) {
  const auto context = process.context({begin, end}, ready);
  if (track.shape(1) != 2 || begin < 0 || begin > end || end > ready + process.options().delay ||
      std::int64_t(track.shape(0)) != context.end - context.begin) {
    feature_error("a track of shape (", track.shape(0), ", ", track.shape(1), ") for frames ", begin, " to ", end,
                  " of ", ready, "; expected (", context.end - context.begin, ", 2): NCCF and pitch of each frame");
  }
  std::vector<float> rows(std::size_t(end - begin) * process.dim());
  {
    nb::gil_scoped_release no_gil;
    process.compute(track.data(), {begin, end}, ready, rows.data());
  }
  return matrix(std::move(rows), process.dim());
}

class ResamplerPieces {
 public:
  ResamplerPieces(int rate_in, int rate_out, double cutoff, int num_zeros)
      : plan_(rate_in, rate_out, cutoff, num_zeros), resampler_(&plan_) {}

  Vector resample(const Samples& samples, bool flush) {
    std::vector<float> out;
    {
      nb::gil_scoped_release no_gil;
      std::lock_guard lock(mutex_);
      check_finite(view(samples));
      resampler_.resample(view(samples), flush, out);
    }
    const std::size_t count = out.size();
    return own<Vector>(std::move(out), {count});
  }

  void reset() {
    nb::gil_scoped_release no_gil;
    std::lock_guard lock(mutex_);
    resampler_.reset();
  }

 private:
  sonant::LinearResample plan_;
  sonant::LinearResampler resampler_;
  std::mutex mutex_;
};

Vector downsample(const Samples& samples, int rate_in, int rate_out) {
  std::vector<float> out;
  {
    nb::gil_scoped_release no_gil;
    check_finite(view(samples));
    const sonant::LinearResample plan = sonant::downsampling(rate_in, rate_out);
    sonant::LinearResampler(&plan).resample(view(samples), true, out);
  }
  const std::size_t count = out.size();
  return own<Vector>(std::move(out), {count});
}

Matrix resample_rows(const sonant::ArbitraryResample& resample, const Rows& rows) {
  if (std::int64_t(rows.shape(1)) != resample.num_inputs()) {
    feature_error("input of ", rows.shape(1), " samples; expected ", resample.num_inputs());
  }
  std::vector<float> out(rows.shape(0) * std::size_t(resample.num_outputs()));
  {
    nb::gil_scoped_release no_gil;
    check_finite({rows.data(), rows.size()});
    resample.resample(rows.data(), out.data(), std::int64_t(rows.shape(0)));
  }
  return own<Matrix>(std::move(out), {rows.shape(0), std::size_t(resample.num_outputs())});
}

}  // namespace

void bind_pitch(nb::module_& m) {
  using sonant::PitchOptions;
  nb::class_<PitchOptions>(m, "PitchOptions")
      .def(nb::init<>())
      .def_rw("sample_frequency", &PitchOptions::sample_frequency)
      .def_rw("frame_length", &PitchOptions::frame_length)
      .def_rw("frame_shift", &PitchOptions::frame_shift)
      .def_rw("preemphasis_coefficient", &PitchOptions::preemphasis_coefficient)
      .def_rw("min_f0", &PitchOptions::min_f0)
      .def_rw("max_f0", &PitchOptions::max_f0)
      .def_rw("soft_min_f0", &PitchOptions::soft_min_f0)
      .def_rw("penalty_factor", &PitchOptions::penalty_factor)
      .def_rw("lowpass_cutoff", &PitchOptions::lowpass_cutoff)
      .def_rw("resample_frequency", &PitchOptions::resample_frequency)
      .def_rw("delta_pitch", &PitchOptions::delta_pitch)
      .def_rw("nccf_ballast", &PitchOptions::nccf_ballast)
      .def_rw("lowpass_filter_width", &PitchOptions::lowpass_filter_width)
      .def_rw("upsample_filter_width", &PitchOptions::upsample_filter_width)
      .def_rw("max_frames_latency", &PitchOptions::max_frames_latency)
      .def_rw("frames_per_chunk", &PitchOptions::frames_per_chunk)
      .def_rw("simulate_first_pass_online", &PitchOptions::simulate_first_pass_online)
      .def_rw("recompute_frame", &PitchOptions::recompute_frame)
      .def_rw("nccf_ballast_online", &PitchOptions::nccf_ballast_online)
      .def_rw("snip_edges", &PitchOptions::snip_edges)
      .def_rw("sample_scale", &PitchOptions::sample_scale);

  using sonant::ProcessPitchOptions;
  nb::class_<ProcessPitchOptions>(m, "ProcessPitchOptions")
      .def(nb::init<>())
      .def_rw("pitch_scale", &ProcessPitchOptions::pitch_scale)
      .def_rw("pov_scale", &ProcessPitchOptions::pov_scale)
      .def_rw("pov_offset", &ProcessPitchOptions::pov_offset)
      .def_rw("delta_pitch_scale", &ProcessPitchOptions::delta_pitch_scale)
      .def_rw("delta_pitch_noise_stddev", &ProcessPitchOptions::delta_pitch_noise_stddev)
      .def_rw("normalization_left_context", &ProcessPitchOptions::normalization_left_context)
      .def_rw("normalization_right_context", &ProcessPitchOptions::normalization_right_context)
      .def_rw("delta_window", &ProcessPitchOptions::delta_window)
      .def_rw("delay", &ProcessPitchOptions::delay)
      .def_rw("add_pov_feature", &ProcessPitchOptions::add_pov_feature)
      .def_rw("add_normalized_log_pitch", &ProcessPitchOptions::add_normalized_log_pitch)
      .def_rw("add_delta_pitch", &ProcessPitchOptions::add_delta_pitch)
      .def_rw("add_raw_log_pitch", &ProcessPitchOptions::add_raw_log_pitch)
      .def_rw("seed", &ProcessPitchOptions::seed);

  nb::class_<sonant::Pitch>(m, "Pitch")
      .def(nb::init<const PitchOptions&, const std::optional<ProcessPitchOptions>&, int>(), "options"_a,
           "process"_a = nb::none(), "lanes"_a = 0)
      .def_prop_ro("dim", &sonant::Pitch::dim)
      .def("compute", compute, "waveforms"_a, "num_threads"_a = 0);

  nb::class_<PitchPieces>(m, "PitchStream")
      .def(nb::init<std::shared_ptr<const sonant::Pitch>>(), "pitch"_a)
      .def("feed", &PitchPieces::feed, "samples"_a.noconvert())
      .def("finish", &PitchPieces::finish)
      .def("final", &PitchPieces::final_features);

  nb::class_<PitchChunks>(m, "PitchTracker")
      .def(nb::init<std::shared_ptr<const sonant::Pitch>>(), "pitch"_a)
      .def("accept", &PitchChunks::accept, "samples"_a.noconvert())
      .def("finish", &PitchChunks::finish)
      .def_prop_ro("frames_ready", &PitchChunks::frames_ready)
      .def_prop_ro("finished", &PitchChunks::finished)
      .def("track", &PitchChunks::track, "begin"_a, "end"_a);

  nb::class_<sonant::ProcessPitch>(m, "ProcessPitch")
      .def(nb::init<const ProcessPitchOptions&>(), "options"_a)
      .def_prop_ro("dim", &sonant::ProcessPitch::dim)
      .def("frames_ready", &sonant::ProcessPitch::frames_ready, "ready"_a, "finished"_a)
      .def("context",
           [](const sonant::ProcessPitch& p, std::int64_t begin, std::int64_t end, std::int64_t ready) {
             const auto range = p.context({begin, end}, ready);
             return nb::make_tuple(range.begin, range.end);
           },
           "begin"_a, "end"_a, "ready"_a)
      .def("compute", process, "track"_a.noconvert(), "ready"_a, "begin"_a, "end"_a);

  nb::class_<ResamplerPieces>(m, "LinearResample")
      .def(nb::init<int, int, double, int>(), "rate_in"_a, "rate_out"_a, "cutoff"_a, "num_zeros"_a)
      .def("resample", &ResamplerPieces::resample, "samples"_a.noconvert(), "flush"_a)
      .def("reset", &ResamplerPieces::reset);
  m.def("downsample", downsample, "samples"_a.noconvert(), "rate_in"_a, "rate_out"_a);

  nb::class_<sonant::ArbitraryResample>(m, "ArbitraryResample")
      .def("__init__",
           [](sonant::ArbitraryResample* self, int num_inputs, double rate, double cutoff, const Samples& points,
              int num_zeros) {
             new (self) sonant::ArbitraryResample(num_inputs, rate, cutoff, view(points), num_zeros);
           },
           "num_inputs"_a, "rate"_a, "cutoff"_a, "points"_a.noconvert(), "num_zeros"_a)
      .def_prop_ro("num_inputs", &sonant::ArbitraryResample::num_inputs)
      .def_prop_ro("num_outputs", &sonant::ArbitraryResample::num_outputs)
      .def("resample", resample_rows, "rows"_a.noconvert());
}

#include "fsa/rnnt.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "fsa_arrays.h"
#include "pool.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fsa_arrays;
using sonant::RnntConfig;
using sonant::RnntStream;

void bind_fsa_rnnt(nb::module_& m) {
  nb::class_<RnntConfig>(m, "RnntConfig")
      .def(nb::init<std::int32_t, std::int32_t, double, std::int64_t, std::int64_t>(), "vocab_size"_a, "history"_a, "beam"_a,
           "max_states"_a, "max_contexts"_a);
  nb::class_<RnntStream>(m, "RnntStream")
      .def(
          "__init__",
          [](RnntStream* self, const Ints& arcs, const Ints& state_splits, const In<float>& scores) {
            if (arcs.ndim() != 2 || arcs.shape(1) != 4 || arcs.shape(0) != scores.size() || state_splits.size() == 0) {
              throw std::invalid_argument("arcs are (num_arcs, 4), and as many scores");
            }
            new (self) RnntStream(std::make_shared<const sonant::RnntGraph>(
                std::span(arcs.data(), arcs.size()), span_of(state_splits), std::span(scores.data(), scores.size())));
          },
          "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "scores"_a.noconvert())
      .def("check", [](const RnntStream& self, const RnntConfig& config) { self.graph().check(config); }, "config"_a)
      .def_prop_ro("num_frames", &RnntStream::num_frames)
      .def_prop_ro("num_graph_states", [](const RnntStream& self) { return self.graph().states(); });
  m.def(
      "rnnt_contexts",
      [](const std::vector<RnntStream>& streams, const RnntConfig& config) {
        std::vector<std::int32_t> splits{0}, symbols;
        for (const RnntStream& stream : streams) {
          splits.push_back(splits.back() + std::int32_t(stream.contexts(config, symbols)));
        }
        return nb::make_tuple(array_of(std::move(splits)), array_of(std::move(symbols)));
      },
      "streams"_a, "config"_a, "(where the contexts of each stream begin, their symbols one after the other)");
  m.def(
      "rnnt_advance",
      [](std::vector<RnntStream> streams, const RnntConfig& config, const nb::ndarray<const float, nb::ndim<2>, nb::c_contig>& rows,
         int num_threads) {
        {
          nb::gil_scoped_release no_gil;
          std::vector<std::size_t> first{0};
          std::vector<std::int32_t> symbols;
          for (const RnntStream& stream : streams) first.push_back(first.back() + stream.contexts(config, symbols));
          if (first.back() != rows.shape(0) || std::size_t(config.vocab_size) != rows.shape(1)) {
            throw std::invalid_argument("expected a row for each context and a column for each symbol");
          }
          sonant::parallel_for(streams.size(), num_threads, [&](std::size_t i) {
            streams[i].advance(config, rows.data() + first[i] * std::size_t(config.vocab_size));
          });
        }
        return streams;
      },
      "streams"_a, "config"_a, "rows"_a.noconvert(), "num_threads"_a = 0, "The streams one frame later.");
  m.def(
      "rnnt_lattices",
      [](const std::vector<RnntStream>& streams, const std::vector<std::size_t>& num_frames, bool allow_partial) {
        if (num_frames.size() != streams.size()) throw std::invalid_argument("expected a number of frames for each stream");
        for (std::size_t i = 0; i < streams.size(); ++i) {
          if (num_frames[i] > streams[i].num_frames()) throw std::invalid_argument("so many frames were not there");
        }
        sonant::FsaBatch made;
        auto* scores = new std::vector<float>();
        nb::capsule owner(scores, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
        {
          nb::gil_scoped_release no_gil;
          std::vector<sonant::FsaBatch> parts;
          for (std::size_t i = 0; i < streams.size(); ++i) {
            parts.push_back(streams[i].lattice(num_frames[i], allow_partial, *scores));
          }
          made = sonant::joined(std::move(parts), "format_output");
        }
        return nb::make_tuple(tuple_of(std::move(made)), nb::ndarray<nb::numpy, float>(scores->data(), {scores->size()}, owner));
      },
      "streams"_a, "num_frames"_a, "allow_partial"_a, "((arcs, state_splits, fsa_splits, arc map, nothing), scores)");
}

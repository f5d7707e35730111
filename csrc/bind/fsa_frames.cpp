#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <limits>
#include <vector>

#include "fsa/frames.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Ints = nb::ndarray<const std::int32_t, nb::c_contig, nb::device::cpu>;
template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

std::span<const std::int32_t> span_of(const Ints& values) { return {values.data(), values.size()}; }

template <class T>
void bind(nb::module_& m) {
  m.def(
      "fsa_frame_totals",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<T>& arc_scores, const In<T>& scores,
         std::int32_t column, const Ints& first, const Ints& frames, const Ints& graph_of, double leak,
         const In<T>& occupancy, const char* operation, const Out<double>& totals, const Out<T>& score_posteriors,
         const Out<T>& arc_posteriors, int num_threads) {
        const sonant::FsaGraphs graphs{span_of(arcs), span_of(state_splits), span_of(fsa_splits)};
        if (arcs.size() % 4 || state_splits.size() == 0 || fsa_splits.size() == 0 || arc_scores.size() * 4 != arcs.size() ||
            scores.ndim() != 2 || column < 0 || first.size() != totals.size() || frames.size() != totals.size() ||
            graph_of.size() != totals.size() || (occupancy.size() && occupancy.size() != graphs.states()) ||
            (score_posteriors.size() && score_posteriors.size() != scores.size())) {
          throw std::invalid_argument("arrays that do not fit each other");
        }
        const sonant::FsaFrames<T> of{scores.data(), scores.shape(0), scores.shape(1), column,
                                      span_of(first), span_of(frames), span_of(graph_of)};
        nb::gil_scoped_release no_gil;
        graphs.check(operation);
        std::size_t wanted = 0;
        for (const std::int32_t g : of.graph_of) {
          if (g < 0 || std::size_t(g) >= graphs.fsas()) throw std::invalid_argument("an automaton that is not there");
          wanted += graphs.state_splits[graphs.fsa_splits[g + 1]] - graphs.state_splits[graphs.fsa_splits[g]];
        }
        if (arc_posteriors.size() && arc_posteriors.size() != wanted) {
          throw std::invalid_argument("arc posteriors that do not fit the automata");
        }
        const sonant::FsaLeak<T> leaks{T(leak), occupancy.size() ? occupancy.data() : nullptr};
        const sonant::FsaPosteriors<T> posteriors{score_posteriors.size() ? score_posteriors.data() : nullptr,
                                                  arc_posteriors.size() ? arc_posteriors.data() : nullptr};
        sonant::fsa_frame_totals<T>(graphs, arc_scores.data(), of, leaks, operation, totals.data(), posteriors,
                                    num_threads);
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "arc_scores"_a.noconvert(),
      "scores"_a.noconvert(), "column"_a, "first"_a.noconvert(), "frames"_a.noconvert(), "graph_of"_a.noconvert(),
      "leak"_a, "occupancy"_a.noconvert(), "operation"_a, "totals"_a.noconvert(), "score_posteriors"_a.noconvert(),
      "arc_posteriors"_a.noconvert(), "num_threads"_a = 0,
      "Total scores of automata over frames, and posteriors into the arrays that are not empty.");
}

}  // namespace

void bind_fsa_frames(nb::module_& m) {
  bind<float>(m);
  bind<double>(m);
}

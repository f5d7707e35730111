#include "fsa/pruned.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "fsa_arrays.h"
#include "fsa/paths.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fsa_arrays;

namespace {

template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T>
sonant::DenseFsas<T> dense_of(const Matrix<T>& dense, const Ints& row_splits) {
  if (row_splits.size() == 0 || row_splits.data()[0] != 0) throw std::invalid_argument("row_splits begin with 0");
  for (std::size_t i = 1; i < row_splits.size(); ++i) {
    if (row_splits.data()[i] <= row_splits.data()[i - 1]) throw std::invalid_argument("a segment has no rows");
  }
  if (std::size_t(row_splits.data()[row_splits.size() - 1]) != dense.shape(0)) {
    throw std::invalid_argument("row_splits do not end with the rows");
  }
  return {dense.data(), dense.shape(1), span_of(row_splits)};
}

// A search that goes on chunk by chunk: automata that were checked once, and what is asked of it.
template <class T>
class OnlineSearch {
 public:
  OnlineSearch(Ints arcs, Ints state_splits, Ints fsa_splits, In<T> scores, double search_beam, double output_beam,
               std::int64_t min_active, std::int64_t max_active, bool allow_partial)
      : arcs_(std::move(arcs)),
        state_splits_(std::move(state_splits)),
        fsa_splits_(std::move(fsa_splits)),
        scores_(std::move(scores)),
        beams_{search_beam, output_beam, min_active, max_active, allow_partial} {
    const auto graphs = graphs_of(arcs_, state_splits_, fsa_splits_);
    check_sizes(graphs, scores_.size(), graphs.states(), graphs.states());
    nb::gil_scoped_release no_gil;
    graphs_.emplace(graphs, scores_.data());
  }

  sonant::PrunedStream<T> stream(std::int32_t fsa) const {
    if (fsa < 0 || std::size_t(fsa) >= graphs_->graphs.fsas()) throw std::invalid_argument("no such automaton");
    return {*graphs_, fsa, beams_};
  }

  nb::tuple advance(const Matrix<T>& dense, const Ints& row_splits, std::vector<sonant::PrunedStream<T>> streams,
                    int num_threads) const {
    if (streams.size() + 1 != row_splits.size()) throw std::invalid_argument("expected a stream for each segment");
    const auto rows = dense_of<T>(dense, row_splits);
    sonant::FsaLattice<T> made;
    {
      nb::gil_scoped_release no_gil;
      made = sonant::fsa_advance_pruned(*graphs_, rows, streams, num_threads);
    }
    return nb::make_tuple(tuple_of(std::move(made.batch)), array_of(std::move(made.scores)), std::move(streams));
  }

 private:
  Ints arcs_, state_splits_, fsa_splits_;
  In<T> scores_;
  sonant::PrunedBeams beams_;
  std::optional<sonant::SearchGraphs<T>> graphs_;
};

template <class T>
void bind_pruned(nb::module_& m, const char* stream, const char* search) {
  m.def(
      "fsa_intersect_pruned",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<T>& scores,
         const Matrix<T>& dense, const Ints& row_splits, const Ints& a_of, double search_beam, double output_beam,
         std::int64_t min_active, std::int64_t max_active, bool allow_partial, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        check_pairs(a_of, graphs.fsas(), a_of, graphs.fsas());
        if (a_of.size() + 1 != row_splits.size()) throw std::invalid_argument("expected an automaton for each segment");
        const auto rows = dense_of<T>(dense, row_splits);
        sonant::FsaBatch batch;
        {
          nb::gil_scoped_release no_gil;
          const sonant::SearchGraphs<T> a(graphs, scores.data());
          batch = sonant::fsa_intersect_pruned(
              a, rows, span_of(a_of), {search_beam, output_beam, min_active, max_active, allow_partial}, num_threads);
        }
        return tuple_of(std::move(batch));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "dense"_a.noconvert(), "row_splits"_a.noconvert(), "a_of"_a.noconvert(), "search_beam"_a, "output_beam"_a,
      "min_active"_a, "max_active"_a, "allow_partial"_a, "num_threads"_a = 0,
      "(arcs, state_splits, fsa_splits, arc map into the automata, into dense)");
  m.def(
      "fsa_shortest_paths",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<T>& scores, std::int32_t count) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        sonant::FsaBestPaths found;
        {
          nb::gil_scoped_release no_gil;
          graphs.check_acyclic("shortest_paths");
          found = sonant::fsa_shortest_paths(graphs, scores.data(), count);
        }
        return nb::make_tuple(array_of(std::move(found.paths)), array_of(std::move(found.sizes)),
                              array_of(std::move(found.arcs)));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(), "count"_a,
      "(paths of each automaton, arcs of each path, the arcs)");
  nb::class_<sonant::PrunedStream<T>>(m, stream)
      .def_prop_ro("a_fsa", &sonant::PrunedStream<T>::a_fsa)
      .def_prop_ro("num_frames", &sonant::PrunedStream<T>::num_frames)
      .def_prop_ro("num_active", &sonant::PrunedStream<T>::num_active);
  nb::class_<OnlineSearch<T>>(m, search)
      .def(nb::init<Ints, Ints, Ints, In<T>, double, double, std::int64_t, std::int64_t, bool>(), "arcs"_a.noconvert(),
           "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(), "search_beam"_a,
           "output_beam"_a, "min_active"_a, "max_active"_a, "allow_partial"_a)
      .def("stream", &OnlineSearch<T>::stream, "fsa"_a, "The start of a search of automaton `fsa`.")
      .def("advance", &OnlineSearch<T>::advance, "dense"_a.noconvert(), "row_splits"_a.noconvert(), "streams"_a,
           "num_threads"_a = 0,
           "((arcs, state_splits, fsa_splits, arc map, nothing), scores, streams that go on from here)");
}

}  // namespace

void bind_fsa_pruned(nb::module_& m) {
  bind_pruned<float>(m, "PrunedStreamFloat", "OnlineSearchFloat");
  bind_pruned<double>(m, "PrunedStreamDouble", "OnlineSearchDouble");
}

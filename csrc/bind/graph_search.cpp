#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fst/structure.h"
#include "lattice/lattice.h"
#include "search/dynamic_graph.h"
#include "search/graph_search_best.h"
#include "search/graph_search_lattice.h"
#include "guarded.h"
#include "pool.h"
#include "search/search_graph.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using ScoreArray = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Columns = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Graph = std::shared_ptr<const SearchGraph>;
using Dynamic = std::shared_ptr<DynamicGraphs>;

// What one search takes of a graph that many share.
Graph taken(const Graph& graph) { return graph; }
std::shared_ptr<DynamicGraph> taken(const Dynamic& graphs) { return DynamicGraphs::take(graphs); }

Scores view(const ScoreArray& array) {
  return {array.data(), static_cast<std::int64_t>(array.shape(0)), static_cast<std::int64_t>(array.shape(1))};
}

template <class T>
nb::object to_array(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

// (input labels, output labels, graph costs, acoustic costs, final cost), or None where no token survived.
nb::object to_python(const BestPath& path) {
  if (!path.found) return nb::none();
  std::vector<std::int32_t> inputs, outputs;
  std::vector<float> graph, acoustic;
  for (const PathArc& arc : path.arcs) {
    inputs.push_back(arc.input);
    outputs.push_back(arc.output);
    graph.push_back(arc.cost.graph);
    acoustic.push_back(arc.cost.acoustic);
  }
  return nb::make_tuple(to_array(std::move(inputs)), to_array(std::move(outputs)), to_array(std::move(graph)),
                        to_array(std::move(acoustic)), path.final_cost);
}

// What a whole utterance gives: or the error that it met.
struct Outcome {
  BestPath path;
  std::optional<Lattice> lattice;
  std::optional<CompactLattice> compact;
  bool complete = true;  // no limit stopped the determinization
  float relative_cost = 0;
  std::exception_ptr error;
};

// In blocks of frames, so that all threads end soon after one of them has been interrupted.
template <class Search, class Shared>
void search_one(const Shared& graph, const GraphSearchOptions& options, float scale, const Scores& scores,
                const std::atomic<bool>& stopped, Outcome& outcome) {
  constexpr std::int64_t kBlock = 64;
  Search search(taken(graph), options, scale);
  for (std::int64_t begin = 0; begin < scores.rows || begin == 0; begin += kBlock) {
    if (stopped) return;
    search.advance({scores.row(begin), std::min(kBlock, scores.rows - begin), scores.tokens});
  }
  search.finish();
  outcome.path = search.best_path(true);
  outcome.relative_cost = search.final_relative_cost();
  if constexpr (requires { search.raw_lattice(true, kInfinity); }) {
    outcome.lattice = search.raw_lattice(true, kInfinity);
  }
}

// For each utterance (path, lattice, relative cost, whether determinization met no limit), or the message of its error.
// `max_memory`: of determinization, which there is not without it.
template <class Kind, class Shared>
nb::list search_all(const Shared& graph, const GraphSearchOptions& options, float scale, bool lattice,
                    std::optional<std::int64_t> max_memory, const std::vector<ScoreArray>& arrays, int threads) {
  std::vector<Outcome> outcomes(arrays.size());
  LatticeDeterminizeOptions pruned;
  pruned.beam = options.lattice_beam;
  pruned.max_memory = max_memory.value_or(-1);
  {
    nb::gil_scoped_release release;
    check_options(options, scale);
    std::atomic<bool> stopped = false;
    parallel_for(arrays.size(), threads, [&](std::size_t i) {
      Outcome& outcome = outcomes[i];
      try {
        if (lattice) {
          search_one<LatticeSearch<Kind>>(graph, options, scale, view(arrays[i]), stopped, outcome);
          if (max_memory && outcome.lattice) {
            outcome.compact = connect(determinize_pruned(*outcome.lattice, pruned, outcome.complete));
            outcome.lattice.reset();
          }
        } else {
          search_one<BestPathSearch<Kind>>(graph, options, scale, view(arrays[i]), stopped, outcome);
        }
      } catch (const SearchError&) {
        outcome.error = std::current_exception();
      } catch (const FstError&) {  // more than memory holds
        outcome.error = std::current_exception();
      } catch (...) {
        stopped = true;
        throw;
      }
    });
  }
  nb::list results;
  for (Outcome& outcome : outcomes) {
    if (outcome.error) {
      try {
        std::rethrow_exception(outcome.error);
      } catch (const std::exception& error) {
        results.append(nb::str(error.what()));
      }
      continue;
    }
    nb::object kept = outcome.compact   ? nb::cast(std::move(*outcome.compact))
                      : outcome.lattice ? nb::cast(std::move(*outcome.lattice))
                                        : nb::none();
    results.append(nb::make_tuple(to_python(outcome.path), kept, outcome.relative_cost, outcome.complete));
  }
  return results;
}

template <class Search, class Shared>
nb::class_<Guarded<Search>> bind_stream(nb::module_& m, const char* name) {
  using Self = Guarded<Search>;
  nb::class_<Self> stream(m, name);
  stream
      .def(
          "__init__",
          [](Self* self, const Shared& graph, const GraphSearchOptions& options, float scale) {
            nb::gil_scoped_release release;
            new (self) Self(Search(taken(graph), options, scale));
          },
          "graph"_a, "options"_a, "acoustic_scale"_a)
      .def(
          "advance",
          [](Self& self, const ScoreArray& scores) {
            self.run([&](Search& search) { search.advance(view(scores)); });
          },
          nb::arg("scores").noconvert())
      .def("finish", [](Self& self) { self.run([](Search& search) { search.finish(); }); })
      .def("finished", [](Self& self) { return self.run([](Search& search) { return search.finished(); }); })
      .def("frames", [](Self& self) { return self.run([](Search& search) { return search.frames(); }); })
      .def("columns_read",
           [](Self& self) { return to_array(self.run([](Search& search) { return search.columns_read(); })); })
      .def("tokens", [](Self& self) { return self.run([](Search& search) { return search.tokens(); }); })
      .def("final_relative_cost",
           [](Self& self) { return self.run([](Search& search) { return search.final_relative_cost(); }); })
      .def(
          "best_path",
          [](Self& self, bool use_final) {
            return to_python(self.run([&](Search& search) { return search.best_path(use_final); }));
          },
          "use_final"_a)
      .def(
          "trailing",
          [](Self& self, const Mask& silent, bool use_final) {
            return self.run([&](Search& search) {
              return search.trailing({silent.data(), silent.size()}, use_final);
            });
          },
          "silent"_a, "use_final"_a);
  return stream;
}

template <class Kind, class Shared>
void bind_searches(nb::module_& m, const char* paths, const char* lattices) {
  using Lattices = LatticeSearch<Kind>;
  bind_stream<BestPathSearch<Kind>, Shared>(m, paths);
  bind_stream<Lattices, Shared>(m, lattices)
      .def(
          "raw_lattice",
          [](Guarded<Lattices>& self, bool use_final, float beam) {
            return self.run([&](Lattices& search) { return search.raw_lattice(use_final, beam); });
          },
          "use_final"_a, "beam"_a);
  m.def("graph_search", &search_all<Kind, Shared>, "graph"_a, "options"_a, "acoustic_scale"_a, "lattice"_a,
        "max_memory"_a.none(), "scores"_a, "num_threads"_a);
}

}  // namespace

void bind_graph_search(nb::module_& m) {
  nb::class_<GraphSearchOptions>(m, "GraphSearchOptions")
      .def(
          "__init__",
          [](GraphSearchOptions* self, float beam, std::int32_t max_active, std::int32_t min_active,
             float lattice_beam, std::int32_t prune_interval, float beam_delta, float hash_ratio, float prune_scale) {
            new (self) GraphSearchOptions{beam,           max_active, min_active, lattice_beam,
                                          prune_interval, beam_delta, hash_ratio, prune_scale};
          },
          "beam"_a, "max_active"_a, "min_active"_a, "lattice_beam"_a, "prune_interval"_a, "beam_delta"_a,
          "hash_ratio"_a, "prune_scale"_a);

  nb::class_<SearchGraph>(m, "SearchGraph", "A decoding graph as searches read it; any number of them share it.")
      .def("__init__",
           [](SearchGraph* self, const Fst<TropicalWeight>& fst, const std::optional<Columns>& columns) {
             nb::gil_scoped_release release;
             const Fst<TropicalWeight> copy = fst;
             const auto graph = copy.view();
             Work work("preparing", graph);
             std::span<const std::int32_t> table;
             if (columns) table = {columns->data(), columns->size()};
             new (self) SearchGraph(graph, table, work);
           },
           "fst"_a, "columns"_a.none())
      .def("num_states", &SearchGraph::num_states)
      .def("num_arcs", &SearchGraph::num_arcs)
      .def("num_columns", &SearchGraph::num_columns);

  bind_searches<SearchGraph, Graph>(m, "GraphPathSearch", "GraphLatticeSearch");
  bind_searches<DynamicGraph, Dynamic>(m, "DynamicPathSearch", "DynamicLatticeSearch");
}

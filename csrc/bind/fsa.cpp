#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <vector>

#include "fsa_arrays.h"
#include "fsa/scores.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fsa_arrays;

namespace {

// The two directions differ in which function computes, and that is all.
template <class T>
void bind_scores(nb::module_& m) {
  m.def(
      "fsa_scores",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const char* operation,
         const In<T>& scores, bool forward, bool log, const Out<T>& out, const IntsOut& best, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), out.size(), best.size());
        nb::gil_scoped_release no_gil;
        graphs.check_acyclic(operation);
        (forward ? sonant::fsa_forward<T> : sonant::fsa_backward<T>)(graphs, scores.data(), log, out.data(),
                                                                     best.data(), num_threads);
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "operation"_a,
      "scores"_a.noconvert(), "forward"_a, "log"_a, "out"_a.noconvert(), "best"_a.noconvert(), "num_threads"_a = 0,
      "Forward or backward scores of all states, and in the tropical semiring the arc that each is from.");
  m.def(
      "fsa_best_paths",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const char* operation,
         const In<T>& scores) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        sonant::FsaPaths paths;
        {
          nb::gil_scoped_release no_gil;
          graphs.check_acyclic(operation);
          std::vector<T> forward(graphs.states());
          std::vector<std::int32_t> best(graphs.states());
          sonant::fsa_forward<T>(graphs, scores.data(), false, forward.data(), best.data(), 0);
          paths = sonant::fsa_best_paths(graphs, best.data());
        }
        return nb::make_tuple(array_of(std::move(paths.arcs)), array_of(std::move(paths.sizes)));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "operation"_a,
      "scores"_a.noconvert(), "(arcs of one best path of each automaton, how many each has)");
  m.def(
      "fsa_scores_gradient",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<T>& scores, bool forward,
         bool log, const In<T>& found, const Ints& best, const In<T>& slopes, const Out<T>& out, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), found.size(), best.size());
        check_sizes(graphs, out.size(), slopes.size(), best.size());
        nb::gil_scoped_release no_gil;
        graphs.check_acyclic("fsa_scores_gradient");
        (forward ? sonant::fsa_forward_gradient<T> : sonant::fsa_backward_gradient<T>)(
            graphs, scores.data(), log, found.data(), best.data(), slopes.data(), out.data(), num_threads);
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "forward"_a, "log"_a, "found"_a.noconvert(), "best"_a.noconvert(), "slopes"_a.noconvert(),
      "out"_a.noconvert(), "num_threads"_a = 0, "The gradient of each arc's score, from the slopes of all states.");
}

template <class Make>
auto made_of(const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<float>& scores,
             const char* operation, Make make) {
  const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
  check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
  nb::gil_scoped_release no_gil;
  graphs.check(operation);
  return make(graphs);
}

template <class T>
void bind_dense(nb::module_& m) {
  using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
  m.def(
      "fsa_intersect_dense",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<T>& scores, const Matrix& dense,
         const Ints& row_splits, const Ints& a_of, const Ints& b_of, double beam, std::int64_t max_states, std::int64_t max_arcs,
         int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        check_pairs(a_of, graphs.fsas(), b_of, row_splits.size() - 1);
        sonant::FsaBatch batch;
        {
          nb::gil_scoped_release no_gil;
          graphs.check("intersect_dense");
          batch = sonant::fsa_intersect_dense(graphs, scores.data(),
                                              sonant::DenseFsas<T>{dense.data(), dense.shape(1), span_of(row_splits)},
                                              span_of(a_of), span_of(b_of), {beam, max_states, max_arcs}, num_threads);
        }
        return tuple_of(std::move(batch));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "dense"_a.noconvert(), "row_splits"_a.noconvert(), "a_of"_a.noconvert(), "b_of"_a.noconvert(), "beam"_a, "max_states"_a,
      "max_arcs"_a,
      "num_threads"_a = 0, "(arcs, state_splits, fsa_splits, arc map into the automata, into dense)");
}

}  // namespace

void bind_fsa(nb::module_& m) {
  bind_dense<float>(m);
  bind_dense<double>(m);
  m.def(
      "fsa_order",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, bool topological) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        sonant::FsaOrder order;
        {
          nb::gil_scoped_release no_gil;
          graphs.check(topological ? "top_sort" : "connect");
          order = (topological ? sonant::fsa_topological_order : sonant::fsa_useful_states)(graphs);
        }
        return nb::make_tuple(array_of(std::move(order.states)), array_of(std::move(order.fsa_splits)));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "topological"_a,
      "(states in topological order, or those on paths from start to end; where each automaton's begin)");
  m.def(
      "fsa_determinize",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<float>& scores,
         std::uint64_t max_states, int num_threads) {
        auto made = made_of(arcs, state_splits, fsa_splits, scores, "determinize", [&](const auto& graphs) {
          return sonant::fsa_determinize(graphs, scores.data(), max_states, num_threads);
        });
        return nb::make_tuple(tuple_of(std::move(made.fsas)),
                              nb::make_tuple(array_of(std::move(made.way_splits)), array_of(std::move(made.left_splits)),
                                             array_of(std::move(made.left_values))));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "max_states"_a, "num_threads"_a = 0,
      "((arcs, state_splits, fsa_splits, splits and values of the arc map), (splits of the ways to each state, splits and "
      "values of the arcs left of each way))");
  m.def(
      "fsa_remove_epsilons",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<float>& scores) {
        return tuple_of(made_of(arcs, state_splits, fsa_splits, scores, "remove_epsilon", [&](const auto& graphs) {
          return sonant::fsa_remove_epsilons(graphs, scores.data());
        }));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "(arcs, state_splits, fsa_splits, splits and values of the arc map)");
  m.def(
      "fsa_bisimilar_states",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const Ints& keys, const In<float>& scores,
         float delta, int num_threads) {
        if (keys.size() != scores.size()) throw std::invalid_argument("expected a key for each arc");
        return array_of(made_of(arcs, state_splits, fsa_splits, scores, "minimize", [&](const auto& graphs) {
          return sonant::fsa_bisimilar_states(graphs, keys.data(), scores.data(), delta, num_threads);
        }));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "keys"_a.noconvert(),
      "scores"_a.noconvert(), "delta"_a, "num_threads"_a = 0, "The number of each state's block.");
  m.def(
      "fsa_best_onward",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<double>& scores,
         const char* operation) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        std::vector<std::int32_t> best;
        {
          nb::gil_scoped_release no_gil;
          graphs.check(operation);
          best = sonant::fsa_best_onward(graphs, scores.data(), operation);
        }
        return array_of(std::move(best));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "operation"_a, "The first arc of a best path from each state to the final one, or -1.");
  m.def(
      "fsa_intersect",
      [](const Ints& a_arcs, const Ints& a_states, const Ints& a_fsas, const Ints& b_arcs, const Ints& b_states,
         const Ints& b_fsas, const Ints& a_of, const Ints& b_of, bool epsilons, std::int32_t phi, int num_threads) {
        const auto a = graphs_of(a_arcs, a_states, a_fsas), b = graphs_of(b_arcs, b_states, b_fsas);
        check_pairs(a_of, a.fsas(), b_of, b.fsas());
        sonant::FsaRagged made;
        {
          nb::gil_scoped_release no_gil;
          a.check("intersect");
          b.check("intersect");
          made = sonant::fsa_intersect(a, b, span_of(a_of), span_of(b_of), epsilons, phi, num_threads);
        }
        return nb::make_tuple(tuple_of(std::move(made.batch)), array_of(std::move(made.map_splits)),
                              array_of(std::move(made.map_values)));
      },
      "a_arcs"_a.noconvert(), "a_states"_a.noconvert(), "a_fsas"_a.noconvert(), "b_arcs"_a.noconvert(),
      "b_states"_a.noconvert(), "b_fsas"_a.noconvert(), "a_of"_a.noconvert(), "b_of"_a.noconvert(), "epsilons"_a,
      "phi"_a, "num_threads"_a = 0,
      "((arcs, state_splits, fsa_splits, arc map into a, into b) of the pairs a_of, b_of, splits and values of the failure "
      "arcs of b before the one of the map)");
  bind_scores<float>(m);
  bind_scores<double>(m);
}

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <vector>

#include "fsa/arc_maps.h"
#include "fsa/scores.h"
#include "fsa_arrays.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fsa_arrays;

namespace {

// The two directions differ in which function computes, and that is all. Scores of arcs are S, those of states T.
template <class S, class T>
void bind_scores(nb::module_& m) {
  m.def(
      "fsa_scores",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const char* operation,
         const In<S>& scores, bool forward, bool log, const Out<T>& out, const IntsOut& best, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), out.size(), best.size());
        nb::gil_scoped_release no_gil;
        (forward ? sonant::fsa_forward<S, T> : sonant::fsa_backward<S, T>)(graphs, operation, scores.data(), log,
                                                                           out.data(), best.data(), num_threads);
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "operation"_a,
      "scores"_a.noconvert(), "forward"_a, "log"_a, "out"_a.noconvert(), "best"_a.noconvert(), "num_threads"_a = 0,
      "Forward or backward scores of all states, and in the tropical semiring the arc that each is from.");
  m.def(
      "fsa_scores_gradient",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<S>& scores, bool forward,
         bool log, const In<T>& found, const Ints& best, const In<T>& slopes, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), found.size(), best.size());
        check_sizes(graphs, scores.size(), slopes.size(), best.size());
        sonant::Array<S> gradient;
        sonant::released([&] {
          gradient.resize_for_overwrite(scores.size());
          (forward ? sonant::fsa_forward_gradient<S, T> : sonant::fsa_backward_gradient<S, T>)(
              graphs, scores.data(), log, found.data(), best.data(), slopes.data(), gradient.data(), num_threads);
        });
        return array_of(std::move(gradient));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "forward"_a, "log"_a, "found"_a.noconvert(), "best"_a.noconvert(), "slopes"_a.noconvert(), "num_threads"_a = 0,
      "The gradient of each arc's score, from the slopes of all states.");
  m.def(
      "fsa_through_arcs",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<S>& scores, const In<T>& before,
         const In<T>& after, int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), before.size(), after.size());
        sonant::Array<T> through;
        sonant::released([&] {
          through.resize_for_overwrite(scores.size());
          sonant::fsa_through_arcs(graphs, scores.data(), before.data(), after.data(), through.data(), num_threads);
        });
        return array_of(std::move(through));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "before"_a.noconvert(), "after"_a.noconvert(), "num_threads"_a = 0,
      "before[source] + score + after[destination] of each arc.");
  m.def(
      "fsa_through_arcs_gradient",
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const In<S>& scores, const In<T>& slopes,
         int num_threads) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        check_sizes(graphs, slopes.size(), graphs.states(), graphs.states());
        sonant::Array<S> of_scores;
        sonant::Array<T> before, after;
        sonant::released([&] {
          of_scores.resize_for_overwrite(scores.size());
          before.resize_for_overwrite(graphs.states());
          after.resize_for_overwrite(graphs.states());
          sonant::fsa_through_arcs_gradient(graphs, slopes.data(), of_scores.data(), before.data(), after.data(),
                                            num_threads);
        });
        return nb::make_tuple(array_of(std::move(of_scores)), array_of(std::move(before)), array_of(std::move(after)));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "slopes"_a.noconvert(), "num_threads"_a = 0, "The gradients of fsa_through_arcs: of scores, before and after.");
}

// T: what paths are added up in.
template <class S, class T>
void bind_best_paths(nb::module_& m, const char* name) {
  m.def(
      name,
      [](const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits, const char* operation,
         const In<S>& scores) {
        const auto graphs = graphs_of(arcs, state_splits, fsa_splits);
        check_sizes(graphs, scores.size(), graphs.states(), graphs.states());
        sonant::FsaPaths paths;
        {
          nb::gil_scoped_release no_gil;
          std::vector<T> forward(graphs.states());
          std::vector<std::int32_t> best(graphs.states());
          sonant::fsa_forward<S, T>(graphs, operation, scores.data(), false, forward.data(), best.data(), 0);
          paths = sonant::fsa_best_paths(graphs, best.data());
        }
        return nb::make_tuple(array_of(std::move(paths.arcs)), array_of(std::move(paths.sizes)));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "operation"_a,
      "scores"_a.noconvert(), "(arcs of one best path of each automaton, how many each has)");
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
void bind_take(nb::module_& m) {
  m.def(
      "fsa_take",
      [](const In<T>& values, const Ints& map, T filler, int num_threads) -> nb::object {
        sonant::Array<T> taken;
        const bool there = sonant::released([&] {
          return sonant::fsa_take<T>({values.data(), values.size()}, span_of(map), filler, num_threads, taken);
        });
        return there ? nb::cast(array_of(std::move(taken))) : nb::none();
      },
      "values"_a.noconvert(), "map"_a.noconvert(), "filler"_a, "num_threads"_a = 0,
      "values[i] for each i of map, filler where it is -1; None where an index is not there");
}

template <class T>
void bind_take_gradient(nb::module_& m) {
  m.def(
      "fsa_take_gradient",
      [](const In<T>& slopes, const Ints& map, const Ints& splits, const Ints& groups, int num_threads) {
        check_splits(splits, map.size());
        check_splits(groups, groups.size() == 0 ? 0 : std::size_t(groups.data()[groups.size() - 1]));
        if (slopes.size() != map.size()) throw std::invalid_argument("expected a slope for each arc");
        sonant::Array<T> gradient;
        const bool there = sonant::released([&] {
          return sonant::fsa_take_gradient<T>({slopes.data(), slopes.size()}, span_of(map), span_of(splits),
                                              span_of(groups), num_threads, gradient);
        });
        if (!there) throw std::invalid_argument("an arc comes from outside of its group");
        return array_of(std::move(gradient));
      },
      "slopes"_a.noconvert(), "map"_a.noconvert(), "splits"_a.noconvert(), "groups"_a.noconvert(), "num_threads"_a = 0,
      "The gradient of fsa_take, where the arcs of each automaton come from one group of values");
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
        sonant::FsaLattice<T> made;
        {
          nb::gil_scoped_release no_gil;
          graphs.check("intersect_dense");
          made = sonant::fsa_intersect_dense(graphs, scores.data(),
                                             sonant::DenseFsas<T>{dense.data(), dense.shape(1), span_of(row_splits)},
                                             span_of(a_of), span_of(b_of), {beam, max_states, max_arcs}, num_threads);
        }
        return tuple_of(std::move(made.batch), std::move(made.scores));
      },
      "arcs"_a.noconvert(), "state_splits"_a.noconvert(), "fsa_splits"_a.noconvert(), "scores"_a.noconvert(),
      "dense"_a.noconvert(), "row_splits"_a.noconvert(), "a_of"_a.noconvert(), "b_of"_a.noconvert(), "beam"_a, "max_states"_a,
      "max_arcs"_a,
      "num_threads"_a = 0, "(arcs, state_splits, fsa_splits, arc map into the automata, into dense, scores)");
}

}  // namespace

void bind_fsa(nb::module_& m) {
  bind_dense<float>(m);
  bind_dense<double>(m);
  bind_take<std::int32_t>(m);
  bind_take<float>(m);
  bind_take<double>(m);
  bind_take_gradient<float>(m);
  bind_take_gradient<double>(m);
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
  bind_scores<float, float>(m);
  bind_scores<float, double>(m);
  bind_scores<double, double>(m);
  bind_best_paths<float, float>(m, "fsa_best_paths");
  bind_best_paths<float, double>(m, "fsa_best_paths_double");
  bind_best_paths<double, double>(m, "fsa_best_paths_double");
}

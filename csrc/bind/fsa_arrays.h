// Batches of automata as arrays of Python and back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "fsa/algorithms.h"

namespace fsa_arrays {

namespace nb = nanobind;

using Ints = nb::ndarray<const std::int32_t, nb::c_contig, nb::device::cpu>;
using IntsOut = nb::ndarray<std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

inline sonant::FsaGraphs graphs_of(const Ints& arcs, const Ints& state_splits, const Ints& fsa_splits) {
  if (arcs.ndim() != 2 || arcs.shape(1) != 4) throw std::invalid_argument("arcs are (num_arcs, 4)");
  return {{arcs.data(), arcs.size()}, {state_splits.data(), state_splits.size()}, {fsa_splits.data(), fsa_splits.size()}};
}

// The memory of what was made (a vector or an Array) becomes the array's.
template <class Values>
auto array_of(Values values, std::size_t columns = 0) {
  using Made = nb::ndarray<nb::numpy, typename Values::value_type>;
  auto* kept = new Values(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Values*>(p); });
  if (columns == 0) return Made(kept->data(), {kept->size()}, owner);
  return Made(kept->data(), {kept->size() / columns, columns}, owner);
}

// (arcs, state_splits, fsa_splits, map_a, map_b, more ...)
template <class... More>
nb::tuple tuple_of(sonant::FsaBatch batch, More... more) {
  return nb::make_tuple(array_of(std::move(batch.arcs), 4), array_of(std::move(batch.state_splits)),
                        array_of(std::move(batch.fsa_splits)), array_of(std::move(batch.map_a)),
                        array_of(std::move(batch.map_b)), array_of(std::move(more))...);
}

// (arcs, state_splits, fsa_splits, splits and values of the arc map)
inline nb::tuple tuple_of(sonant::FsaRagged made) {
  return nb::make_tuple(array_of(std::move(made.batch.arcs), 4), array_of(std::move(made.batch.state_splits)),
                        array_of(std::move(made.batch.fsa_splits)), array_of(std::move(made.map_splits)),
                        array_of(std::move(made.map_values)));
}

inline std::span<const std::int32_t> span_of(const Ints& values) { return {values.data(), values.size()}; }

inline void check_splits(const Ints& splits, std::size_t last) {
  const auto values = span_of(splits);
  if (values.empty() || values.front() != 0 || std::size_t(values.back()) != last ||
      !std::is_sorted(values.begin(), values.end())) {
    throw std::invalid_argument("splits that do not fit");
  }
}

inline void check_sizes(const sonant::FsaGraphs& graphs, std::size_t per_arc, std::size_t per_state, std::size_t best) {
  if (per_arc != graphs.arcs.size() / 4 || per_state != graphs.states() || best != graphs.states()) {
    throw std::invalid_argument("an array has not one element for each arc or state");
  }
}

inline void check_pairs(const Ints& a_of, std::size_t a, const Ints& b_of, std::size_t b) {
  const auto within = [](const Ints& values, std::size_t end) {
    for (const std::int32_t i : span_of(values)) {
      if (i < 0 || std::size_t(i) >= end) return false;
    }
    return true;
  };
  if (a_of.size() != b_of.size() || !within(a_of, a) || !within(b_of, b)) {
    throw std::invalid_argument("a_of and b_of are no pairs of what is there");
  }
}

}  // namespace fsa_arrays

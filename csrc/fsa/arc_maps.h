// What follows the arcs of automata through an operation, by arc maps: where each arc of the result comes from, -1 where
// from nothing.
#pragma once

#include <cstdint>
#include <span>

#include "array.h"

namespace sonant {

// values[i] for each i of `map`, `filler` where i is -1. False where an index is not there.
template <class T>
bool fsa_take(std::span<const T> values, std::span<const std::int32_t> map, T filler, int threads, Array<T>& taken);

// The gradient of that: the sum of the slopes of what was taken from each value. The arcs of automaton i of the result,
// splits[i] to splits[i + 1], come from values of one group alone; group g is values groups[g] to groups[g + 1]. Groups are
// shared out to threads, and each is summed in the order of the arcs. False where an index is not there.
template <class T>
bool fsa_take_gradient(std::span<const T> slopes, std::span<const std::int32_t> map,
                       std::span<const std::int32_t> splits, std::span<const std::int32_t> groups, int threads,
                       Array<T>& gradient);

}  // namespace sonant

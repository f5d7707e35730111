#include "fsa/arc_maps.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "pool.h"

namespace sonant {
namespace {

// What one thread takes at a time, and what is done before a second one is there.
constexpr std::size_t kPiece = std::size_t(1) << 16;

}  // namespace

template <class T>
bool fsa_take(std::span<const T> values, std::span<const std::int32_t> map, T filler, int threads, Array<T>& taken) {
  taken.resize_for_overwrite(map.size());
  std::atomic<bool> there = true;
  const std::size_t pieces = (map.size() + kPiece - 1) / kPiece;
  parallel_for(pieces, threads, [&](std::size_t piece) {
    const std::size_t end = std::min(map.size(), (piece + 1) * kPiece);
    const auto count = std::uint32_t(values.size());
    for (std::size_t i = piece * kPiece; i < end; ++i) {
      if (std::uint32_t(map[i]) < count) {
        taken[i] = values[std::size_t(map[i])];
      } else if (map[i] == -1) {
        taken[i] = filler;
      } else {
        there = false;
        return;
      }
    }
  });
  return there;
}

template <class T>
bool fsa_take_gradient(std::span<const T> slopes, std::span<const std::int32_t> map,
                       std::span<const std::int32_t> splits, std::span<const std::int32_t> groups, int threads,
                       Array<T>& gradient) {
  const std::size_t automata = splits.size() - 1, num_groups = groups.size() - 1;
  if (map.size() < kPiece) threads = 1;
  gradient.resize_for_overwrite(std::size_t(groups.back()));
  std::vector<std::vector<std::size_t>> members(num_groups);
  for (std::size_t i = 0; i < automata; ++i) {
    const auto begin = map.begin() + splits[i], end = map.begin() + splits[i + 1];
    const auto first = std::find_if(begin, end, [](std::int32_t index) { return index >= 0; });
    if (first == end) continue;
    const auto group = std::size_t(std::upper_bound(groups.begin(), groups.end(), *first) - groups.begin()) - 1;
    if (group >= num_groups) return false;
    members[group].push_back(i);
  }
  std::atomic<bool> there = true;
  parallel_for(num_groups, threads, [&](std::size_t group) {
    T* sums = gradient.data() + groups[group];
    const auto count = std::uint32_t(groups[group + 1] - groups[group]);
    std::fill_n(sums, count, T(0));
    for (const std::size_t i : members[group]) {
      for (std::size_t arc = std::size_t(splits[i]); arc < std::size_t(splits[i + 1]); ++arc) {
        const std::uint32_t place = std::uint32_t(map[arc]) - std::uint32_t(groups[group]);
        if (place < count) {
          sums[place] += slopes[arc];
        } else if (map[arc] != -1) {
          there = false;
          return;
        }
      }
    }
  });
  return there;
}

template bool fsa_take(std::span<const std::int32_t>, std::span<const std::int32_t>, std::int32_t, int,
                       Array<std::int32_t>&);
#define SONANT_TAKE(T)                                                                                  \
  template bool fsa_take(std::span<const T>, std::span<const std::int32_t>, T, int, Array<T>&);         \
  template bool fsa_take_gradient(std::span<const T>, std::span<const std::int32_t>,                    \
                                  std::span<const std::int32_t>, std::span<const std::int32_t>, int, Array<T>&);
SONANT_TAKE(float)
SONANT_TAKE(double)
#undef SONANT_TAKE

}  // namespace sonant

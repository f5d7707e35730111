#include "search/graph_search.h"

#include <algorithm>

namespace sonant {

namespace {

// Several at a time, for a chain of comparisons would wait for each.
float least_of(std::span<const float> costs) {
  constexpr std::size_t kLanes = 16;
  float least[kLanes];
  std::fill_n(least, kLanes, kInfinity);
  std::size_t i = 0;
  for (; i + kLanes <= costs.size(); i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) least[k] = costs[i + k] < least[k] ? costs[i + k] : least[k];
  }
  for (; i < costs.size(); ++i) least[0] = std::min(least[0], costs[i]);
  return *std::min_element(least, least + kLanes);
}

}  // namespace

float CutoffFinder::select(std::span<const float> costs, std::size_t rank, float best, float upper) {
  constexpr std::size_t kBins = 1024;
  const float scale = float(kBins) / (upper - best);
  const auto bin_of = [&](float cost) {
    return std::min(static_cast<std::size_t>((cost - best) * scale), kBins - 1);
  };
  counts_.assign(kBins, 0);
  for (const float cost : costs) {
    if (cost < upper) ++counts_[bin_of(cost)];
  }
  std::size_t bin = 0, before = 0;
  while (before + counts_[bin] <= rank) before += counts_[bin++];
  chosen_.resize_for_overwrite(costs.size());
  std::size_t count = 0;
  for (const float cost : costs) {
    chosen_[count] = cost;
    count += cost < upper && bin_of(cost) == bin;
  }
  std::nth_element(chosen_.begin(), chosen_.begin() + (rank - before), chosen_.begin() + count);
  return chosen_[rank - before];
}

FrameCutoff CutoffFinder::operator()(std::span<const float> costs, const GraphSearchOptions& options) {
  FrameCutoff found;
  found.best = least_of(costs);
  const float beam = found.best + options.beam;
  found.cutoff = beam;
  found.adaptive_beam = options.beam;
  const std::size_t count = costs.size(), most = options.max_active, least = options.min_active;
  if (count > most) {
    std::size_t within = 0;
    for (const float cost : costs) within += cost < beam;
    if (within > most) {
      found.cutoff = select(costs, most, found.best, beam);
      found.adaptive_beam = found.cutoff - found.best + options.beam_delta;
      return found;
    }
  }
  if (options.max_active == std::numeric_limits<std::int32_t>::max() && least == 0) return found;
  float needed = kInfinity;  // to have min_active
  if (count > least) {
    std::size_t within = 0;
    for (const float cost : costs) within += cost <= beam;
    if (least == 0 || within > least) return found;
    chosen_.assign(costs.begin(), costs.end());
    std::nth_element(chosen_.begin(), chosen_.begin() + least, chosen_.end());
    needed = chosen_[least];
  }
  if (needed > beam) {
    found.cutoff = needed;
    found.adaptive_beam = needed - found.best + options.beam_delta;
  }
  return found;
}

}  // namespace sonant

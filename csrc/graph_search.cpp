#include "graph_search.h"

#include <algorithm>

namespace sonant {

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
  for (const float cost : costs) found.best = cost < found.best ? cost : found.best;
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

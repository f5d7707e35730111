#include <algorithm>
#include <numeric>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"

namespace sonant {

template <class W>
Fst<W> prune(const Fst<W>& fst, double threshold, std::int64_t most_states) {
  const View<W> view = fst.view();
  Work work("pruning", view);
  if (!(threshold >= 0)) work.fail("a threshold of ", threshold, "; expected a cost of 0 or more");
  FstBuilder<W> result;
  if (view.start == kNoState || most_states == 0) return result.finish();
  const std::vector<double> beta = best_distances<double>(view, Direction::kReverse, kNoState, nullptr, "pruning");
  // Half of float's precision of leeway, or arcs of the best path itself might fall out.
  const double best = beta[view.start], limit = best + threshold + 1e-6 * std::fabs(best);
  if (is_unreached(best)) return result.finish();
  std::vector<double> alpha(view.num_states, unreached<double>());
  alpha[view.start] = 0;
  find_best_within(view, alpha, beta, limit, "pruning");
  std::vector<char> kept(view.num_states, 0);
  std::vector<StateId> order;
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    if (is_unreached(alpha[s]) || is_unreached(beta[s]) || !(alpha[s] + beta[s] <= limit)) continue;
    kept[s] = 1;
    order.push_back(s);
  }
  if (most_states > 0 && order.size() > static_cast<std::uint64_t>(most_states)) {
    std::ranges::stable_sort(order, {}, [&](StateId s) { return alpha[s] + beta[s]; });
    for (std::size_t i = static_cast<std::size_t>(most_states); i < order.size(); ++i) kept[order[i]] = 0;
  }
  std::vector<StateId> number(view.num_states, kNoState);
  StateId count = 0;
  for (std::size_t s = 0; s < number.size(); ++s) {
    if (kept[s]) number[s] = count++;
  }
  for (StateId s = 0; s < static_cast<StateId>(number.size()); ++s) {
    if (!kept[s]) continue;
    const W final = view.states[s].final;
    result.open(alpha[s] + measure<double>(final) <= limit ? final : W::zero());
    const auto arcs = view.arcs_of(s);
    work.steps(arcs.size() + 1);
    for (Arc<W> arc : arcs) {
      if (!kept[arc.nextstate]) continue;
      if (!(alpha[s] + measure<double>(W(arc.weight)) + beta[arc.nextstate] <= limit)) continue;
      arc.nextstate = number[arc.nextstate];
      result.add(arc);
    }
  }
  result.start = number[view.start];
  result.strings = *view.strings;
  connect(result, work);
  return result.finish(properties::after_delete_states(fst.stored_properties()) | properties::kAccessible |
                       properties::kCoAccessible);
}

#define SONANT_INSTANTIATE(W) template Fst<W> prune(const Fst<W>&, double, std::int64_t);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)

}  // namespace sonant

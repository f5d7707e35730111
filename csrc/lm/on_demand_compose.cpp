#include <algorithm>
#include <vector>

#include "fst/builder.h"
#include "fst/structure.h"
#include "lm/on_demand.h"

namespace sonant {

namespace {

constexpr std::size_t kMostAtOnce = 1024;  // states that a model is told of together

template <class W>
W with_cost(W weight, float cost) {
  if constexpr (has_strings<W>) {
    weight.weight.graph += cost;
  } else if constexpr (W::floats == 2) {
    weight.graph += cost;
  } else {
    weight.value += cost;
  }
  return weight;
}

}  // namespace

template <class W>
Fst<W> compose_on_demand(const Fst<W>& fst, OnDemand& model, const OnDemandOptions& options) {
  const View<W> view = fst.view();
  const StateId first = model.start();
  FstBuilder<W> result;
  if (view.start == kNoState || first == kNoState) return result.finish();
  Work work("composition on demand", options.bounds, sizeof(State<W>) + 24, sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(view.num_states) + " states";
  Numbering pairs;
  const auto number = [&](StateId s, StateId t) {
    return StateId(pairs(std::uint64_t(std::uint32_t(s)) << 32 | std::uint32_t(t)));
  };
  result.strings = *view.strings;
  result.start = number(view.start, first);
  const bool announces = model.wants_to_expect();
  std::vector<StateId> soon;
  std::size_t announced = 0;
  for (std::size_t q = 0; q < pairs.size(); ++q) {
    if (announces && q == announced) {  // all that have been found and not been asked about
      soon.clear();
      for (; announced < std::min(pairs.size(), q + kMostAtOnce); ++announced) {
        soon.push_back(StateId(std::uint32_t(pairs.key(announced))));
      }
      std::ranges::sort(soon);
      soon.erase(std::ranges::unique(soon).begin(), soon.end());
      model.expect(soon);
    }
    const auto s = StateId(pairs.key(q) >> 32), t = StateId(std::uint32_t(pairs.key(q)));
    W final = view.states[s].final;
    if (!is_zero(final)) {
      const float cost = model.final(t);
      final = cost == kInfinity ? W::zero() : with_cost(final, cost);
    }
    result.open(final);
    for (Arc<W> arc : view.arcs_of(s)) {
      work.step();
      const Label label = options.inverse ? arc.ilabel : arc.olabel;
      if (label == 0) {
        arc.nextstate = number(arc.nextstate, t);
        result.add(arc);
        continue;
      }
      const Step step = model.step(t, label);
      if (step.next == kNoState) continue;
      (options.inverse ? arc.ilabel : arc.olabel) = step.olabel;
      arc.weight = with_cost(W(arc.weight), step.cost);
      arc.nextstate = number(arc.nextstate, step.next);
      result.add(arc);
    }
    work.made(pairs.size(), result.arcs.size());
    if (q % 4096 == 0 && model.bytes() > half_of_memory()) {
      fst_error("composition on demand of ", work.what, ": the states of the model need more than half of the memory "
                "of this machine (", pairs.size(), " states so far); bound it by max_states, or prune first");
    }
  }
  const Fst<W> made = result.finish();
  return options.connect ? connect(made) : made;
}

#define SONANT_INSTANTIATE(W) \
  template Fst<W> compose_on_demand(const Fst<W>&, OnDemand&, const OnDemandOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)

}  // namespace sonant

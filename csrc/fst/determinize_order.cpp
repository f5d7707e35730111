// The order in which Kaldi's determinization finds states: of the states that are still to be followed the one that
// was found last comes next, and its arcs in their order. What depends on the order of states, as the local removal
// of epsilons does, then gives what Kaldi's gives.
#include "fst/determinize.h"

namespace sonant {

template <class W>
std::vector<StateId> order_found(const View<W>& fst, StateId subsets) {
  std::vector<StateId> order(fst.num_states, kNoState), followed, waiting;
  StateId next = 0;
  const auto found = [&](StateId s) {
    order[s] = next++;
    waiting.push_back(s);
    followed.push_back(s);
  };
  const auto after = [&](StateId s) {
    return fst.states[s].arcs == 0 ? kNoState : StateId(fst.arcs_of(s)[0].nextstate);
  };
  if (fst.start != kNoState) found(fst.start);
  while (!waiting.empty()) {
    const StateId s = waiting.back();
    waiting.pop_back();
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      StateId to = arc.nextstate;
      while (to >= subsets) to = after(to);
      if (to != kNoState && order[to] == kNoState) found(to);
    }
  }
  for (const StateId s : followed) {
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      for (StateId to = arc.nextstate; to >= subsets && order[to] == kNoState; to = after(to)) order[to] = next++;
    }
  }
  for (StateId& place : order) {
    if (place == kNoState) place = next++;
  }
  return order;
}

#define SONANT_INSTANTIATE(W) template std::vector<StateId> order_found(const View<W>&, StateId);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)

}  // namespace sonant

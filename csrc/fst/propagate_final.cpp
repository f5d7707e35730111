#include "fst/special.h"

namespace sonant {

StdFst propagate_final(const StdFst& fst, Label phi) {
  const View<TropicalWeight> view = fst.view();
  StdFst result = fst;
  const auto n = static_cast<StateId>(view.num_states);
  std::vector<float> finals(view.num_states);
  for (StateId s = 0; s < n; ++s) finals[s] = view.states[s].final.value;
  struct Link {
    StateId state;
    float cost;
  };
  enum : char { kNew, kOpen, kDone };
  std::vector<char> mark(view.num_states, kNew);
  std::vector<Link> way;
  for (StateId first = 0; first < n; ++first) {
    way.clear();
    StateId s = first;
    while (finals[s] == kInfinity && mark[s] != kDone) {
      if (mark[s] == kOpen) fst_error("propagate_final: the arcs with label ", phi, " have a cycle through state ", s);
      const Arc<TropicalWeight>* found = nullptr;
      for (const Arc<TropicalWeight>& arc : view.arcs_of(s)) {
        if (arc.ilabel != phi) continue;
        if (found) fst_error("propagate_final: state ", s, " has two arcs with label ", phi, "; expected one at most");
        found = &arc;
      }
      mark[s] = kOpen;
      if (!found || found->nextstate == s) {
        mark[s] = kDone;
        break;
      }
      way.push_back({s, found->weight.value});
      s = found->nextstate;
    }
    for (std::size_t i = way.size(); i-- > 0;) {
      const Link& link = way[i];
      mark[link.state] = kDone;
      if (finals[s] != kInfinity) {
        finals[link.state] = finals[s] + link.cost;
        result.set_final(link.state, {finals[link.state]});
      }
      s = link.state;
    }
  }
  return result;
}

}  // namespace sonant

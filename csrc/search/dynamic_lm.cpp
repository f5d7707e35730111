#include "search/dynamic_lm.h"

namespace sonant {

StateId LmSource::start() {
  const StateId first = model_->start();
  return view_.start == kNoState || first == kNoState ? kNoState : StateId(pairs_(key(view_.start, first)));
}

float LmSource::final(StateId s) {
  const float final = view_.states[graph_state(s)].final.value;
  return final == kInfinity ? final : final + model_->final(lm_state(s));
}

void LmSource::expand(StateId s, Arcs& arcs, bool emitting) {
  const StateId from = lm_state(s);
  const std::size_t begin = arcs.size();
  keys_.clear();
  for (Arc<TropicalWeight> arc : view_.arcs_of(graph_state(s))) {
    if ((arc.ilabel != 0) != emitting) continue;
    StateId to = from;
    if (arc.olabel != 0) {
      const Step step = model_->step(from, arc.olabel);
      if (step.next == kNoState) continue;
      arc.weight.value += step.cost;
      arc.olabel = step.olabel;
      to = step.next;
    }
    keys_.push_back(key(arc.nextstate, to));
    pairs_.prefetch(keys_.back());
    arcs.push_back({arc, view_.states[arc.nextstate].iepsilons != 0});
  }
  // All at once, so that the memory of one is on its way while another is looked up.
  for (std::size_t i = 0; i < keys_.size(); ++i) arcs[begin + i].arc.nextstate = StateId(pairs_(keys_[i]));
}

}  // namespace sonant

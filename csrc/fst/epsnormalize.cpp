#include <algorithm>

#include "fst/epsilon.h"
#include "fst/labels.h"
#include "fst/walk.h"

namespace sonant {

namespace {

struct InputEpsilonArc {
  template <class W>
  bool operator()(const Arc<W>& arc) const {
    return arc.ilabel == 0;
  }
};

// A cycle with more output than input labels makes what is still to come grow without end. How far the output can be
// ahead is the longest path; within a component it is not longer than there are states, unless there is such a cycle.
template <class W>
void check_gains(const View<W>& fst, Work& work) {
  const Walk walked = walk(fst);
  const Components components = in_order(walked);
  std::vector<std::int64_t> ahead(fst.num_states, 0);
  std::vector<StateId> queue;
  std::vector<char> waiting(fst.num_states, 0);
  for (std::size_t c = 0; c + 1 < components.begin.size(); ++c) {
    const std::int64_t size = components.begin[c + 1] - components.begin[c];
    queue.assign(components.states.begin() + components.begin[c], components.states.begin() + components.begin[c + 1]);
    for (const StateId s : queue) waiting[s] = 1;
    for (std::size_t at = 0; at < queue.size(); ++at) {
      const StateId s = queue[at];
      waiting[s] = 0;
      for (const Arc<W>& arc : fst.arcs_of(s)) {
        work.step();
        const StateId to = arc.nextstate;
        if (walked.component[to] != walked.component[s]) continue;
        const std::int64_t then = ahead[s] + (arc.olabel != 0) - (arc.ilabel != 0);
        if (then <= ahead[to]) continue;
        ahead[to] = then;
        if (then >= size) {
          fst_error("epsilon normalization of ", work.what, ": a cycle through state ", to,
                    " has more labels on the side that is to come late than on the other, so that they cannot wait "
                    "for the end; normalize the other side, or take the cycle away");
        }
        if (!waiting[to]) {
          waiting[to] = 1;
          queue.push_back(to);
        }
      }
    }
  }
}

template <class W>
struct Reached {
  std::int32_t component;
  StateId state;
  Lists::Id output;
  W weight;
  bool operator<(const Reached& other) const {  // later
    if (component != other.component) return component < other.component;
    if (state != other.state) return state > other.state;
    return output > other.output;
  }
};

}  // namespace

template <class W>
Fst<W> normalize_input_epsilons(const Fst<W>& fst, Bounds bounds) {
  const Fst<W> removed = remove_epsilons(fst, {});
  const View<W> view = removed.view();
  Work work("epsilon normalization", bounds, sizeof(State<W>) + 16, sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(fst.num_states()) + " states";
  if (view.start == kNoState) return removed;
  check_gains(view, work);
  const Walk walked = walk(view, InputEpsilonArc{});  // there are no cycles of input epsilons
  Lists lists;
  FstBuilder<W> staged;
  staged.strings = *view.strings;
  staged.start = view.start;
  StringsOf<W>& strings = staged.strings;
  std::vector<Reached<W>> heap;
  const auto reach = [&](StateId s, Lists::Id output, const W& weight) {
    heap.push_back({walked.component[s], s, output, weight});
    std::push_heap(heap.begin(), heap.end());
  };
  const auto take = [&] {
    std::pop_heap(heap.begin(), heap.end());
    const Reached<W> next = heap.back();
    heap.pop_back();
    return next;
  };
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    staged.open();
    reach(s, 0, W::one());
    while (!heap.empty()) {
      Reached<W> at = take();
      // What leads here has all been taken: input epsilons lead to lower components.
      while (!heap.empty() && heap.front().state == at.state && heap.front().output == at.output) {
        at.weight = plus(at.weight, take().weight, strings);
      }
      const State<W>& through = view.states[at.state];
      if (!is_zero(W(through.final))) {
        const W final = times(at.weight, W(through.final), strings);
        State<W>& here = staged.states.back();
        if (at.output == 0) here.final = plus(W(here.final), final, strings);
        else staged.add({0, Label(at.output), final, kEnd});
      }
      for (Arc<W> arc : view.arcs_of(at.state)) {
        work.step();
        const W weight = times(at.weight, W(arc.weight), strings);
        const Lists::Id output = lists.append(at.output, arc.olabel);
        if (arc.ilabel == 0) {
          reach(arc.nextstate, output, weight);
          continue;
        }
        staged.add({arc.ilabel, Label(output), weight, arc.nextstate});
      }
      work.made(staged.states.size(), staged.arcs.size());
    }
  }
  return with_delayed_outputs(std::move(staged), lists, work);
}

#define SONANT_INSTANTIATE(W) template Fst<W> normalize_input_epsilons(const Fst<W>&, Bounds);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

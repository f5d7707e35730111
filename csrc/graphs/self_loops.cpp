#include <algorithm>
#include <string>

#include "fst/builder.h"
#include "graphs/hmm.h"

namespace sonant {

namespace {

constexpr Label kNonterminals = 10000000;  // Kaldi's: labels from here on are of grammars
constexpr std::int32_t kUnknown = -1;      // no label has been seen

// The transition-state of an input label; 0 for epsilon and disambiguation symbols.
class StateOfLabel {
 public:
  StateOfLabel(const Transitions& transitions, std::span<const Label> disambig, bool check)
      : transitions_(transitions), disambig_(disambig), check_(check) {}
  std::int32_t operator()(Label label) const {
    if (label > 0 && label <= transitions_.num_ids()) {
      if (check_ && transitions_.is_self_loop(label)) {
        fst_error("self-loops: the graph has the self-loop ", label, " already; expected a graph without them");
      }
      return transitions_.state_of(label);
    }
    if (label != 0 && label < kNonterminals && !std::binary_search(disambig_.begin(), disambig_.end(), label)) {
      fst_error("self-loops: the input label ", label, " is neither a transition-id (1 to ", transitions_.num_ids(),
                ") nor one of the ", disambig_.size(), " disambiguation symbols: does the graph belong to the model?");
    }
    return 0;
  }

 private:
  const Transitions& transitions_;
  std::span<const Label> disambig_;
  bool check_;
};

using W = TropicalWeight;

// A graph whose states get a new state after or before them.
struct Apart {
  std::vector<Arc<W>> arcs;      // of the old states, in their order
  std::vector<Arc<W>> of_new;    // new states have one arc each
};

// Each state is entered with one transition-state only, the start state with none: others come over a new state.
Apart apart_by_entering(const View<W>& view, const StateOfLabel& state_of, Work& work) {
  std::vector<std::int32_t> entering(view.num_states, kUnknown);
  std::vector<bool> several(view.num_states, false);
  entering[view.start] = 0;
  Apart result;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const Arc<W>& arc : view.arcs_of(s)) {
      work.step();
      const std::int32_t state = state_of(arc.ilabel);
      std::int32_t& known = entering[arc.nextstate];
      if (known == kUnknown) {
        known = state;
      } else if (known != state) {
        several[arc.nextstate] = true;
      }
      result.arcs.push_back(arc);
    }
  }
  Numbering between;
  for (Arc<W>& arc : result.arcs) {
    if (arc.ilabel == 0 || !several[arc.nextstate]) continue;
    const StateId to = arc.nextstate;
    const auto state = std::uint32_t(state_of(arc.ilabel));
    const std::uint32_t number = between(std::uint64_t(std::uint32_t(to)) << 32 | state);
    if (number == result.of_new.size()) result.of_new.push_back({0, 0, W::one(), to});
    arc.nextstate = StateId(view.num_states + number);
    work.made(view.num_states + between.size(), result.arcs.size() + between.size());
  }
  return result;
}

// Each state is left with one transition-state only, by its end with none: others go over new states.
Apart apart_by_leaving(const View<W>& view, const StateOfLabel& state_of, Work& work) {
  Apart result;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    std::int32_t known = is_zero(view.states[s].final) ? kUnknown : 0;
    bool several = false;
    for (const Arc<W>& arc : view.arcs_of(s)) {
      work.step();
      const std::int32_t state = state_of(arc.ilabel);
      if (known == kUnknown) known = state;
      several = several || known != state;
    }
    for (Arc<W> arc : view.arcs_of(s)) {
      if (several && arc.ilabel != 0) {
        result.of_new.push_back({arc.ilabel, 0, W::one(), arc.nextstate});
        arc.ilabel = 0;
        arc.nextstate = StateId(view.num_states + result.of_new.size() - 1);
      }
      result.arcs.push_back(arc);
    }
    work.made(view.num_states + result.of_new.size(), result.arcs.size() + result.of_new.size());
  }
  return result;
}

}  // namespace

Fst<TropicalWeight> add_self_loops(const Fst<TropicalWeight>& fst, const Transitions& transitions,
                                   std::span<const Label> disambig, const SelfLoopOptions& options) {
  const View<W> view = fst.view();
  if (view.start == kNoState) {
    fst_error("self-loops: the graph (", view.num_states, " states) has no start state: is it empty?");
  }
  Work work("adding self-loops", options.bounds, sizeof(State<W>) + sizeof(Arc<W>), 2 * sizeof(Arc<W>));
  work.what = "a graph of " + std::to_string(view.num_states) + " states";
  const StateOfLabel state_of(transitions, disambig, options.check);
  const Apart apart =
      options.reorder ? apart_by_entering(view, state_of, work) : apart_by_leaving(view, state_of, work);
  const std::size_t num_states = view.num_states + apart.of_new.size();

  std::vector<std::int32_t> looping(num_states, 0);  // the transition-state that loops at each state, 0 for none
  std::size_t next = 0;
  const auto arcs_of = [&](std::size_t s) -> std::span<const Arc<W>> {
    if (s >= view.num_states) return {&apart.of_new[s - view.num_states], 1};
    const std::span<const Arc<W>> arcs(apart.arcs.data() + next, view.states[s].arcs);
    next += arcs.size();
    return arcs;
  };
  for (std::size_t s = 0; s < num_states; ++s) {
    for (const Arc<W>& arc : arcs_of(s)) looping[options.reorder ? arc.nextstate : StateId(s)] = state_of(arc.ilabel);
  }

  next = 0;
  FstBuilder<W> result;
  result.start = view.start;
  for (std::size_t s = 0; s < num_states; ++s) {
    const std::int32_t state = looping[s];
    const float leaves = -transitions.non_self_loop(state) * options.scale;
    W final = s < view.num_states ? view.states[s].final : W::zero();
    if (state > 0) final.value += leaves;
    result.open(final);
    for (Arc<W> arc : arcs_of(s)) {
      if (state > 0) arc.weight.value += leaves;
      result.add(arc);
    }
    if (const std::int32_t loop = state > 0 ? transitions.self_loop_of(state) : 0) {
      result.add({loop, 0, {-transitions.log_prob(loop) * options.scale}, StateId(s)});
    }
    work.made(num_states, result.arcs.size());
  }
  return result.finish();
}

template <class W>
Fst<W> add_transition_probs(const Fst<W>& fst, const Transitions& transitions, std::span<const Label> disambig,
                            float transition_scale, float self_loop_scale) {
  const View<W> view = fst.view();
  const auto log_prob = [&](Label id) {
    if (transition_scale == self_loop_scale) return transitions.log_prob(id) * transition_scale;
    if (transitions.is_self_loop(id)) return self_loop_scale * transitions.log_prob(id);
    const float leaves = transitions.non_self_loop(transitions.state_of(id));
    return self_loop_scale * leaves + transition_scale * (transitions.log_prob(id) - leaves);
  };
  FstBuilder<W> result;
  result.start = view.start;
  result.strings = *view.strings;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    result.open(view.states[s].final);
    for (Arc<W> arc : view.arcs_of(s)) {
      if (arc.ilabel > 0 && arc.ilabel <= transitions.num_ids()) {
        if constexpr (W::floats == 2) {
          arc.weight.graph -= log_prob(arc.ilabel);
        } else {
          arc.weight.value -= log_prob(arc.ilabel);
        }
      } else if (arc.ilabel != 0 && !std::binary_search(disambig.begin(), disambig.end(), arc.ilabel)) {
        fst_error("transition probabilities: the input label ", arc.ilabel, " is neither a transition-id (1 to ",
                  transitions.num_ids(), ") nor one of the ", disambig.size(), " disambiguation symbols");
      }
      result.add(arc);
    }
  }
  return result.finish();
}

template Fst<TropicalWeight> add_transition_probs(const Fst<TropicalWeight>&, const Transitions&,
                                                  std::span<const Label>, float, float);
template Fst<LatticeWeight> add_transition_probs(const Fst<LatticeWeight>&, const Transitions&,
                                                 std::span<const Label>, float, float);

}  // namespace sonant

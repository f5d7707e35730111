#include "search/dynamic_grammar.h"

#include <algorithm>
#include <utility>

namespace sonant {

GrammarSource::GrammarSource(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  const std::vector<Label>& labels = grammar_->labels;
  if (!labels.empty()) {
    const auto [least, most] = std::ranges::minmax(labels);
    least_ = least;
    graph_of_.assign(std::size_t(most - least) + 1, 0);
    for (std::size_t i = 0; i < labels.size(); ++i) graph_of_[labels[i] - least] = std::uint32_t(i + 1);
  }
  for (const auto& graph : grammar_->graphs) views_.push_back(graph.view());
  instances_.push_back({0, 0, kNoState});
}

StateId GrammarSource::start() { return views_[0].start == kNoState ? kNoState : number(0, views_[0].start); }

float GrammarSource::final(StateId s) {
  return instance_of(s) == 0 ? views_[0].states[base(s)].final.value : kInfinity;
}

std::uint32_t GrammarSource::child(std::uint32_t parent, StateId back, std::uint32_t graph) {
  const std::uint32_t site = sites_(std::uint64_t(parent) << 32 | std::uint32_t(back));
  const std::uint32_t number = children_(std::uint64_t(site) << 32 | graph) + 1;
  if (number == instances_.size()) instances_.push_back({graph, parent, back});
  return number;
}

void GrammarSource::expand(StateId s, Arcs& arcs, bool emitting) {
  const std::uint32_t number_of = instance_of(s);
  const Instance instance = instances_[number_of];
  const View<TropicalWeight>& view = views_[instance.graph];
  const StateId state = base(s);
  if (!emitting && number_of != 0) {
    const TropicalWeight final = view.states[state].final;
    if (final.value != kInfinity) arcs.push_back({{0, 0, final, number(instance.parent, instance.back)}});
  }
  for (Arc<TropicalWeight> arc : view.arcs_of(state)) {
    const std::uint32_t called = graph_of(arc.ilabel);
    if ((arc.ilabel != 0 && called == 0) != emitting) continue;
    if (called == 0) {
      arc.nextstate = number(number_of, arc.nextstate);
    } else {
      const StateId first = views_[called].start;
      if (first == kNoState) continue;  // it says nothing
      arc.ilabel = 0;
      arc.nextstate = number(child(number_of, arc.nextstate, called), first);
    }
    arcs.push_back({arc});
  }
}

// ---- CTC

StateId CtcSource::number(const CtcState& state) {
  const auto next = static_cast<std::uint32_t>(states_.size());
  const std::uint32_t found = index_.find_or_add(hash_of(state), next, [&](std::uint32_t other) {
    const CtcState& s = states_[other];
    return s.inner == state.inner && s.last == state.last && s.moved == state.moved;
  });
  if (found == next) {
    states_.push_back(state);
    if (index_.full()) index_.grow([&](std::uint32_t other) { return hash_of(states_[other]); });
  }
  return StateId(found);
}

StateId CtcSource::start() {
  const StateId first = inner_->start();
  return first == kNoState ? kNoState : number({first, 0, false});
}

void CtcSource::epsilons(StateId s, Arcs& arcs) {
  const Label last = states_[s].last;
  scratch_.clear();
  inner_->epsilons(states_[s].inner, scratch_);
  for (Made made : scratch_) {
    made.arc.nextstate = number({made.arc.nextstate, last, true});
    arcs.push_back(made);
  }
}

void CtcSource::emitting(StateId s, Arcs& arcs) {
  const CtcState from = states_[s];
  if (!from.moved) {  // frames that write nothing
    arcs.push_back({{blank_, 0, TropicalWeight::one(), number({from.inner, 0, false})}});
    if (from.last != 0) arcs.push_back({{from.last, 0, TropicalWeight::one(), s}});
  }
  scratch_.clear();
  inner_->emitting(from.inner, scratch_);
  for (Made made : scratch_) {
    if (made.arc.ilabel == from.last) continue;  // there must be a blank between
    made.arc.nextstate = number({made.arc.nextstate, made.arc.ilabel, false});
    arcs.push_back(made);
  }
}

}  // namespace sonant

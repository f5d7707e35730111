#include "fst_builder.h"
#include "fst_structure.h"

namespace sonant {

namespace {

constexpr char kReached = 1, kUseful = 2;

// The states that the start leads to, marked, in the order in which they were met.
template <class W>
std::vector<StateId> reached_states(const View<W>& fst, std::vector<char>& marks, Steps& steps) {
  std::vector<StateId> met;
  if (fst.start == kNoState) return met;
  met.push_back(fst.start);
  marks[fst.start] = kReached;
  for (std::size_t i = 0; i < met.size(); ++i) {
    const auto arcs = fst.arcs_of(met[i]);
    steps.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      if (marks[arc.nextstate]) continue;
      marks[arc.nextstate] = kReached;
      met.push_back(arc.nextstate);
    }
  }
  return met;
}

// Marks those of `met` that lead to a final state; how many do not.
template <class W>
std::size_t mark_useful(const View<W>& fst, const std::vector<StateId>& met, std::vector<char>& marks, Steps& steps) {
  std::size_t left = met.size();
  for (const StateId s : met) {
    if (is_zero(fst.states[s].final)) continue;
    marks[s] = kUseful;
    --left;
  }
  const auto leads_on = [&](StateId s) {
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (marks[arc.nextstate] == kUseful) return true;
    }
    return false;
  };
  // One look at each state from the back marks nearly all; what is left is followed backwards along its arcs.
  for (std::size_t i = met.size(); i-- > 0 && left > 0;) {
    const StateId s = met[i];
    steps.step();
    if (marks[s] == kUseful || !leads_on(s)) continue;
    marks[s] = kUseful;
    --left;
  }
  if (left == 0) return 0;
  std::vector<std::uint32_t> begin(fst.num_states + 1, 0);
  std::vector<StateId> found;
  const auto each_arc = [&](auto body) {
    for (const StateId s : met) {
      if (marks[s] == kUseful) continue;
      steps.step();
      for (const Arc<W>& arc : fst.arcs_of(s)) {
        if (marks[arc.nextstate] == kReached) body(s, arc.nextstate);
      }
    }
  };
  each_arc([&](StateId, StateId to) { ++begin[to + 1]; });
  for (std::size_t s = 0; s < fst.num_states; ++s) begin[s + 1] += begin[s];
  std::vector<StateId> sources(begin.back());
  std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
  each_arc([&](StateId from, StateId to) { sources[next[to]++] = from; });
  for (const StateId s : met) {
    if (marks[s] == kReached && leads_on(s)) found.push_back(s);
  }
  for (const StateId s : found) marks[s] = kUseful;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const StateId s = found[i];
    --left;
    for (std::uint32_t k = begin[s]; k < begin[s + 1]; ++k) {
      if (marks[sources[k]] != kReached) continue;
      marks[sources[k]] = kUseful;
      found.push_back(sources[k]);
    }
  }
  return left;
}

}  // namespace

template <class W>
Fst<W> connect(const Fst<W>& fst) {
  using namespace properties;
  const View<W> view = fst.view();
  Steps steps;
  std::vector<char> marks(view.num_states, 0);
  const std::vector<StateId> met = reached_states(view, marks, steps);
  const Bits connected = kAccessible | kCoAccessible;
  if (mark_useful(view, met, marks, steps) == 0 && met.size() == view.num_states) {
    Fst<W> result = fst;
    result.set_properties(connected, known(connected) & kTrinary);
    return result;
  }
  std::vector<StateId> number(view.num_states, kNoState);
  std::size_t states = 0, arcs = 0;
  for (std::size_t s = 0; s < number.size(); ++s) {
    if (marks[s] != kUseful) continue;
    number[s] = static_cast<StateId>(states++);
    arcs += view.states[s].arcs;
  }
  FstBuilder<W> result;
  result.states.reserve(states);
  result.arcs.reserve(arcs);
  for (StateId s = 0; s < static_cast<StateId>(number.size()); ++s) {
    if (number[s] == kNoState) continue;
    result.open(view.states[s].final);
    steps.steps(view.states[s].arcs);
    for (Arc<W> arc : view.arcs_of(s)) {
      arc.nextstate = number[arc.nextstate];
      if (arc.nextstate != kNoState) result.add(arc);
    }
  }
  if (view.start != kNoState) result.start = number[view.start];
  result.strings = *view.strings;
  return result.finish(after_delete_states(fst.stored_properties()) | connected);
}

#define SONANT_INSTANTIATE(W) template Fst<W> connect(const Fst<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include "fst_builder.h"
#include "fst_structure.h"

namespace sonant {

namespace {

constexpr char kReached = 1, kUseful = 2;

// The states that the start leads to, marked, in the order in which they were met.
template <class W>
std::vector<StateId> reached_states(const View<W>& fst, std::vector<char>& marks, Work& work) {
  std::vector<StateId> met;
  if (fst.start == kNoState) return met;
  met.reserve(fst.num_states);
  met.push_back(fst.start);
  marks[fst.start] = kReached;
  for (std::size_t i = 0; i < met.size(); ++i) {
    const auto arcs = fst.arcs_of(met[i]);
    work.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      if (marks[arc.nextstate]) continue;
      marks[arc.nextstate] = kReached;
      met.push_back(arc.nextstate);
    }
  }
  return met;
}

// Marks those of the first `count` states of an order, all reached, that lead to a final state; how many do not.
template <class W, class Order>
std::size_t mark_useful(const View<W>& fst, std::size_t count, Order met, std::vector<char>& marks, Work& work) {
  std::size_t left = count;
  for (std::size_t i = 0; i < count; ++i) {
    const StateId s = met(i);
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
  for (std::size_t i = count; i-- > 0 && left > 0;) {
    const StateId s = met(i);
    work.step();
    if (marks[s] == kUseful || !leads_on(s)) continue;
    marks[s] = kUseful;
    --left;
  }
  if (left == 0) return 0;
  std::vector<std::uint32_t> begin(fst.num_states + 1, 0);
  const auto each_arc = [&](auto body) {
    for (std::size_t i = 0; i < count; ++i) {
      const StateId s = met(i);
      if (marks[s] == kUseful) continue;
      work.step();
      for (const Arc<W>& arc : fst.arcs_of(s)) {
        if (marks[arc.nextstate] == kReached) body(s, arc.nextstate);
      }
    }
  };
  each_arc([&](StateId, StateId to) { ++begin[to]; });
  std::uint32_t at = 0;
  for (std::uint32_t& b : begin) at = b += at;  // where those of each state end
  std::vector<StateId> sources(at), found;
  each_arc([&](StateId from, StateId to) { sources[--begin[to]] = from; });
  for (std::size_t i = 0; i < count; ++i) {
    if (marks[met(i)] == kReached && leads_on(met(i))) found.push_back(met(i));
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

// The useful states and the arcs between them go to `states` and `arcs`, which may be where they are: what is written is
// never ahead of what is read.
template <class W>
void keep_useful(const View<W>& fst, const std::vector<char>& marks, Array<State<W>>& states, Array<Arc<W>>& arcs,
                 StateId& start) {
  std::vector<StateId> number(fst.num_states, kNoState);
  StateId count = 0;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (marks[s] == kUseful) number[s] = count++;
  }
  std::size_t kept = 0;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (number[s] == kNoState) continue;
    State<W> state = fst.states[s];
    const Arc<W>*arc = fst.arcs + state.begin, *end = arc + state.arcs;
    state.begin = static_cast<std::uint32_t>(kept);
    for (; arc != end; ++arc) {
      const StateId to = number[arc->nextstate];
      arcs[kept] = *arc;
      arcs[kept].nextstate = to;
      kept += to != kNoState;
    }
    state.arcs = static_cast<std::uint32_t>(kept - state.begin);
    states[number[s]] = state;
  }
  states.resize(count);
  arcs.resize(kept);
  start = fst.start == kNoState ? kNoState : number[fst.start];
}

}  // namespace

template <class W>
void drop_dead_ends(FstBuilder<W>& builder, Work& work) {
  const View<W> fst = builder.view();
  std::vector<char> marks(fst.num_states, kReached);
  if (mark_useful(fst, fst.num_states, [](std::size_t i) { return StateId(i); }, marks, work) == 0) return;
  keep_useful(fst, marks, builder.states, builder.arcs, builder.start);
}

template <class W>
Fst<W> connect(const Fst<W>& fst) {
  using namespace properties;
  const View<W> view = fst.view();
  Work work("connection", view);
  std::vector<char> marks(view.num_states, 0);
  const Bits connected = kAccessible | kCoAccessible;
  {
    const std::vector<StateId> met = reached_states(view, marks, work);
    const std::size_t left = mark_useful(view, met.size(), [&](std::size_t i) { return met[i]; }, marks, work);
    if (left == 0 && met.size() == view.num_states) {
      Fst<W> result = fst;
      result.set_properties(connected, known(connected) & kTrinary);
      return result;
    }
  }
  std::size_t states = 0, arcs = 0;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    if (marks[s] != kUseful) continue;
    ++states;
    arcs += view.states[s].arcs;
  }
  FstBuilder<W> result;
  result.states.resize_for_overwrite(states);
  result.arcs.resize_for_overwrite(arcs);
  keep_useful(view, marks, result.states, result.arcs, result.start);
  result.strings = *view.strings;
  return result.finish(after_delete_states(fst.stored_properties()) | connected);
}

#define SONANT_INSTANTIATE(W)                        \
  template void drop_dead_ends(FstBuilder<W>&, Work&); \
  template Fst<W> connect(const Fst<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include "fst/builder.h"
#include "fst/structure.h"

namespace sonant {

namespace {

// What is known of a state: nothing, that the start leads to it, the same and its arcs were looked at, that it lies
// on a path from the start to a final state.
constexpr char kSeen = 1, kReached = 2, kUseful = 3;
// States are swept in the order of their numbers, in which memory is read fastest and which most automata are close
// to; what that leaves is followed arc by arc.
constexpr int kSweeps = 4;

template <class W>
void mark_reached(const View<W>& fst, Array<char>& marks, Work& work) {
  if (fst.start == kNoState) return;
  marks[fst.start] = kSeen;
  const auto expand = [&](StateId s, auto found) {
    marks[s] = kReached;
    const auto arcs = fst.arcs_of(s);
    work.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      if (marks[arc.nextstate]) continue;
      marks[arc.nextstate] = kSeen;
      found(arc.nextstate);
    }
  };
  const auto n = static_cast<StateId>(fst.num_states);
  bool all = false;
  StateId first = fst.start;
  for (int sweep = 0; sweep < kSweeps && !all; ++sweep) {
    const StateId from = first;
    first = n;
    for (StateId s = from; s < n; ++s) {
      if (marks[s] != kSeen) continue;
      expand(s, [&](StateId to) { first = to < s ? std::min(first, to) : first; });
    }
    all = first == n;
  }
  if (all) return;
  std::vector<StateId> stack;
  for (StateId s = 0; s < n; ++s) {
    if (marks[s] == kSeen) stack.push_back(s);
  }
  while (!stack.empty()) {
    const StateId s = stack.back();
    stack.pop_back();
    expand(s, [&](StateId to) { stack.push_back(to); });
  }
}

// Of the states that are marked as reached.
template <class W>
void mark_useful(const View<W>& fst, Array<char>& marks, Work& work) {
  const std::size_t n = fst.num_states;
  for (std::size_t s = 0; s < n; ++s) {
    if (marks[s] == kReached && !is_zero(fst.states[s].final)) marks[s] = kUseful;
  }
  const auto leads_on = [&](StateId s) {
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (marks[arc.nextstate] == kUseful) return true;
    }
    return false;
  };
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool changed = false, left = false;
    for (std::size_t s = n; s-- > 0;) {
      if (marks[s] != kReached) continue;
      work.step();
      if (leads_on(StateId(s))) {
        marks[s] = kUseful;
        changed = true;
      } else {
        left = true;
      }
    }
    if (!changed || !left) return;
  }
  // Where arcs come from, of those between states that are not known to be useful.
  Array<std::uint32_t> begin(n + 1, 0);
  const auto each_arc = [&](auto body) {
    for (std::size_t s = 0; s < n; ++s) {
      if (marks[s] != kReached) continue;
      work.step();
      for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
        if (marks[arc.nextstate] == kReached) body(StateId(s), arc.nextstate);
      }
    }
  };
  each_arc([&](StateId, StateId to) { ++begin[to]; });
  std::uint32_t at = 0;
  for (std::uint32_t& b : begin) at = b += at;  // where those of each state end
  Array<StateId> sources;
  sources.resize_for_overwrite(at);
  each_arc([&](StateId from, StateId to) { sources[--begin[to]] = from; });
  std::vector<StateId> found;
  for (std::size_t s = 0; s < n; ++s) {
    if (marks[s] == kReached && leads_on(StateId(s))) found.push_back(StateId(s));
  }
  for (const StateId s : found) marks[s] = kUseful;
  while (!found.empty()) {
    const StateId s = found.back();
    found.pop_back();
    for (std::uint32_t k = begin[s]; k < begin[s + 1]; ++k) {
      if (marks[sources[k]] != kReached) continue;
      marks[sources[k]] = kUseful;
      found.push_back(sources[k]);
    }
  }
}

// New numbers of the useful states, and how much there is of them.
struct Kept {
  Array<StateId> number;
  std::size_t states = 0, arcs = 0;  // arcs: at most
};

template <class W>
Kept kept_of(const View<W>& fst, const Array<char>& marks) {
  Kept kept;
  kept.number.resize_for_overwrite(fst.num_states);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    const bool useful = marks[s] == kUseful;
    kept.number[s] = useful ? StateId(kept.states) : kNoState;
    kept.states += useful;
    kept.arcs += useful ? fst.states[s].arcs : 0;
  }
  return kept;
}

// Useful states and the arcs between them go to `states` and `arcs`, which may be where they are: what is written is
// never ahead of what is read. Sizes are set here.
template <class W>
void move_kept(const View<W>& fst, const Kept& kept, Array<State<W>>& states, Array<Arc<W>>& arcs) {
  const StateId* number = kept.number.data();
  std::size_t count = 0;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (number[s] == kNoState) continue;
    State<W> state = fst.states[s];
    const Arc<W>*arc = fst.arcs + state.begin, *end = arc + state.arcs;
    state.begin = static_cast<std::uint32_t>(count);
    for (; arc != end; ++arc) {
      const StateId to = number[arc->nextstate];
      Arc<W>& at = arcs[count];
      at = *arc;
      at.nextstate = to;
      count += to != kNoState;
    }
    state.arcs = static_cast<std::uint32_t>(count - state.begin);
    states[static_cast<std::size_t>(number[s])] = state;
  }
  states.resize(kept.states);
  arcs.resize(count);
}

template <class W>
void keep_in_place(FstBuilder<W>& builder, const View<W>& fst, const Array<char>& marks) {
  const Kept kept = kept_of(fst, marks);
  if (kept.states == fst.num_states) return;
  if (fst.start != kNoState) builder.start = kept.number[fst.start];
  move_kept(fst, kept, builder.states, builder.arcs);
}

}  // namespace

template <class W>
void drop_dead_ends(FstBuilder<W>& builder, Work& work) {
  const View<W> fst = builder.view();
  Array<char> marks(fst.num_states, kReached);
  mark_useful(fst, marks, work);
  keep_in_place(builder, fst, marks);
}

template <class W>
void connect(FstBuilder<W>& builder, Work& work) {
  const View<W> fst = builder.view();
  Array<char> marks(fst.num_states, 0);
  mark_reached(fst, marks, work);
  mark_useful(fst, marks, work);
  keep_in_place(builder, fst, marks);
}

template <class W>
Fst<W> connect(const Fst<W>& fst) {
  using namespace properties;
  const View<W> view = fst.view();
  Work work("connection", view);
  Array<char> marks(view.num_states, 0);
  mark_reached(view, marks, work);
  mark_useful(view, marks, work);
  const Bits connected = kAccessible | kCoAccessible;
  const Kept kept = kept_of(view, marks);
  if (kept.states == view.num_states) {
    Fst<W> result = fst;
    result.set_properties(connected, known(connected) & kTrinary);
    return result;
  }
  FstBuilder<W> result;
  result.states.resize_for_overwrite(kept.states);
  result.arcs.resize_for_overwrite(kept.arcs);
  move_kept(view, kept, result.states, result.arcs);
  if (view.start != kNoState) result.start = kept.number[view.start];
  result.strings = *view.strings;
  return result.finish(after_delete_states(fst.stored_properties()) | connected);
}

#define SONANT_INSTANTIATE(W)                          \
  template void drop_dead_ends(FstBuilder<W>&, Work&); \
  template void connect(FstBuilder<W>&, Work&);        \
  template Fst<W> connect(const Fst<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

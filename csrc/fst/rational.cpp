#include <algorithm>

#include "fst/builder.h"
#include "fst/structure.h"
#include "fst/walk.h"

namespace sonant {

namespace {

template <class W>
Arc<W> epsilon(const W& weight, StateId to) {
  return {0, 0, weight, to};
}

template <class W>
bool start_has_arcs_in(const View<W>& fst) {
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (arc.nextstate == fst.start) return true;
    }
  }
  return false;
}

template <class W>
void copy_states(FstBuilder<W>& to, const View<W>& from, StateId offset, std::uint32_t shift) {
  for (StateId s = 0; s < static_cast<StateId>(from.num_states); ++s) {
    to.open(shifted(from.states[s].final, shift));
    for (Arc<W> arc : from.arcs_of(s)) {
      arc.nextstate += offset;
      arc.weight = shifted(W(arc.weight), shift);
      to.add(arc);
    }
  }
}

template <class W>
void reserve(FstBuilder<W>& builder, std::size_t states, std::size_t arcs, const Work& work) {
  work.made(states, arcs);
  builder.states.reserve(states);
  builder.arcs.reserve(arcs);
}

template <class W>
Work of_two(const char* operation, const View<W>& left, const View<W>& right) {
  Work work(operation, left);
  work.what += " and one of " + std::to_string(right.num_states);
  return work;
}

}  // namespace

template <class W>
bool start_in_cycle(const Fst<W>& fst) {
  using namespace properties;
  const Bits stored = fst.stored_properties();
  if (stored & (kInitialAcyclic | kAcyclic)) return false;
  if (stored & kInitialCyclic) return true;
  const View<W> view = fst.view();
  return view.start != kNoState && start_has_arcs_in(view) && walk(view).initial_cyclic;
}

template <class W>
Fst<W> union_of(const Fst<W>& a, const Fst<W>& b) {
  const View<W> left = a.view(), right = b.view();
  if (right.start == kNoState) return a;
  const StateId offset = static_cast<StateId>(left.num_states);
  FstBuilder<W> result;
  reserve(result, left.num_states + right.num_states + 1, left.num_arcs() + right.num_arcs() + 2,
          of_two("union", left, right));
  result.strings = *left.strings;
  const bool cyclic = start_in_cycle(a);
  for (StateId s = 0; s < offset; ++s) {
    result.copy(left.states[s], left.arcs_of(s), 0);
    if (s == left.start && !cyclic) result.add(epsilon(W::one(), right.start + offset));
  }
  copy_states(result, right, offset, append_strings<W>(result.strings, *right.strings));
  result.start = left.start == kNoState ? right.start + offset : left.start;
  if (cyclic) {
    result.start = result.open();
    result.add(epsilon(W::one(), left.start));
    result.add(epsilon(W::one(), right.start + offset));
  }
  return result.finish();
}

template <class W>
Fst<W> concat(const Fst<W>& a, const Fst<W>& b) {
  const View<W> left = a.view(), right = b.view();
  if (left.start == kNoState) return a;
  const StateId offset = static_cast<StateId>(left.num_states);
  FstBuilder<W> result;
  reserve(result, left.num_states + right.num_states, left.num_arcs() + left.num_states + right.num_arcs(),
          of_two("concatenation", left, right));
  result.strings = *left.strings;
  for (StateId s = 0; s < offset; ++s) {
    result.copy(left.states[s], left.arcs_of(s), 0);
    W& final = result.states.back().final;
    if (!is_zero(W(final)) && right.start != kNoState) result.add(epsilon<W>(final, right.start + offset));
    final = W::zero();
  }
  copy_states(result, right, offset, append_strings<W>(result.strings, *right.strings));
  result.start = left.start;
  return result.finish();
}

template <class W>
Fst<W> closure(const Fst<W>& fst, bool plus) {
  const View<W> view = fst.view();
  FstBuilder<W> result;
  reserve(result, view.num_states + 1, view.num_arcs() + view.num_states + 1, Work("closure", view));
  result.strings = *view.strings;
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    result.copy(view.states[s], view.arcs_of(s), 0);
    if (const W final = view.states[s].final; !is_zero(final) && view.start != kNoState) {
      result.add(epsilon(final, view.start));
    }
  }
  result.start = view.start;
  if (!plus) {
    result.start = result.open(W::one());
    if (view.start != kNoState) result.add(epsilon(W::one(), view.start));
  }
  return result.finish();
}

namespace {

// Strings of the weights read backwards; each is written once.
template <class W>
struct Backwards {
  const StringsOf<W>& from;
  StringsOf<W> to;

  W operator()(const W& w) {
    if constexpr (has_strings<W>) {
      const auto string = from.of(w);
      const std::vector<std::int32_t> turned(string.rbegin(), string.rend());
      return to.add(w.weight, turned);
    } else {
      return w;
    }
  }
};

// The arcs of all states turned, those into a state side by side, in the order of where they come from.
template <class W, class Weigh>
void turn(const View<W>& fst, FstBuilder<W>& result, StateId offset, Weigh weigh, Work& work) {
  std::vector<std::uint32_t> next(fst.num_states, 0);
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    for (const Arc<W>& arc : fst.arcs_of(s)) ++next[arc.nextstate];
  }
  std::size_t at = result.arcs.size();
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    result.states[s + offset].arcs = next[s];
    at += std::exchange(next[s], static_cast<std::uint32_t>(at));
  }
  result.arcs.resize_for_overwrite(at);
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    const auto arcs = fst.arcs_of(s);
    work.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      result.arcs[next[arc.nextstate]++] = {arc.ilabel, arc.olabel, weigh(arc), s + offset};
    }
  }
}

// The only final state, if it can be the start of the reversed automaton: if its weight is one, or no cycle goes
// through it (its weight is then multiplied into the arcs that leave it).
template <class W>
StateId only_final_state(const View<W>& fst) {
  StateId only = kNoState;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    if (is_zero(fst.states[s].final)) continue;
    if (only != kNoState) return kNoState;
    only = s;
  }
  if (only == kNoState || is_one(fst.states[only].final)) return only;
  const Walk walked = walk(fst);
  if (std::ranges::count(walked.component, walked.component[only]) > 1) return kNoState;
  for (const Arc<W>& arc : fst.arcs_of(only)) {
    if (arc.nextstate == only) return kNoState;
  }
  return only;
}

}  // namespace

template <class W>
Fst<W> reverse(const View<W>& fst, bool super_initial) {
  FstBuilder<W> result;
  Work work("reversal", fst);
  if (fst.start == kNoState) return result.finish();
  const StateId only = super_initial ? kNoState : only_final_state(fst);
  const StateId offset = only == kNoState ? 1 : 0;
  result.states.resize(fst.num_states + offset);
  Backwards<W> backwards{*fst.strings, {}};
  if (offset) {
    for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
      const W final = fst.states[s].final;
      if (is_zero(final)) continue;
      result.arcs.push_back(epsilon(backwards(final), s + 1));
      ++result.states[0].arcs;
    }
  }
  result.start = offset ? 0 : only;
  const W last = only == kNoState ? W::one() : backwards(fst.states[only].final);
  turn(
      fst, result, offset,
      [&](const Arc<W>& arc) {
        const W weight = backwards(arc.weight);
        return arc.nextstate == only ? times(last, weight, backwards.to) : weight;
      },
      work);
  result.states[fst.start + offset].final = only == fst.start ? last : W::one();
  result.strings = std::move(backwards.to);
  return result.finish();
}

template <class W>
Fst<W> turned(const View<W>& fst) {
  FstBuilder<W> result;
  Work work("reversal", fst);
  result.states.resize(fst.num_states);
  turn(fst, result, 0, [](const Arc<W>& arc) { return arc.weight; }, work);
  result.strings = *fst.strings;
  return result.finish();
}

#define SONANT_INSTANTIATE(W)                              \
  template bool start_in_cycle(const Fst<W>&);             \
  template Fst<W> union_of(const Fst<W>&, const Fst<W>&);  \
  template Fst<W> concat(const Fst<W>&, const Fst<W>&);    \
  template Fst<W> closure(const Fst<W>&, bool);            \
  template Fst<W> reverse(const View<W>&, bool);           \
  template Fst<W> turned(const View<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

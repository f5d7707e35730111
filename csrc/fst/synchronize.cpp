#include "fst/builder.h"
#include "fst/labels.h"
#include "fst/structure.h"
#include "fst/walk.h"

namespace sonant {

namespace {

// How much further the output is than the input on all ways from one state of a component to another must be the same.
template <class W>
void check_delays(const View<W>& fst, const Work& work) {
  const Walk walked = walk(fst);
  std::vector<std::int64_t> delay(fst.num_states, 0);
  std::vector<char> known(fst.num_states, 0);
  std::vector<StateId> stack;
  for (StateId first = 0; first < static_cast<StateId>(fst.num_states); ++first) {
    if (known[first]) continue;
    known[first] = 1;
    stack.push_back(first);
    while (!stack.empty()) {
      const StateId s = stack.back();
      stack.pop_back();
      for (const Arc<W>& arc : fst.arcs_of(s)) {
        const StateId to = arc.nextstate;
        if (walked.component[to] != walked.component[s]) continue;
        const std::int64_t then = delay[s] + (arc.olabel != 0) - (arc.ilabel != 0);
        if (!known[to]) {
          known[to] = 1;
          delay[to] = then;
          stack.push_back(to);
        } else if (delay[to] != then) {
          fst_error("synchronization of ", work.what, ": a cycle through states ", s, " and ", to,
                    " has not as many input labels as output labels, so that its delay grows without end; "
                    "only an automaton whose cycles have as many can be synchronized");
        }
      }
    }
  }
}

}  // namespace

template <class W>
Fst<W> synchronize(const Fst<W>& fst, Bounds bounds) {
  const Fst<W> connected = connect(fst);
  const View<W> view = connected.view();
  Work work("synchronization", bounds, sizeof(State<W>) + 32, sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(fst.num_states()) + " states";
  if (view.start == kNoState) return connected;
  check_delays(view, work);
  Lists lists;
  Numbering waiting;  // (input labels, output labels) to come, one of which is empty
  Numbering numbers;  // (waiting, state)
  const auto number = [&](Lists::Id in, Lists::Id out, StateId s) {
    const std::uint64_t labels = waiting(std::uint64_t(in) << 32 | out);
    return static_cast<StateId>(numbers(labels << 32 | std::uint32_t(s)));
  };
  FstBuilder<W> result;
  result.strings = *view.strings;
  result.start = number(0, 0, view.start);
  const auto step = [&](Lists::Id in, Lists::Id out, const W& weight, StateId to, bool end) {
    if (!end && (in == 0 || out == 0)) {
      result.add({0, 0, weight, number(in, out, to)});
    } else {
      result.add({in ? lists.label(in) : 0, out ? lists.label(out) : 0, weight,
                  number(in ? lists.rest(in) : 0, out ? lists.rest(out) : 0, to)});
    }
  };
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    work.step();
    const auto s = static_cast<StateId>(std::uint32_t(numbers.key(i)));
    const std::uint64_t labels = waiting.key(numbers.key(i) >> 32);
    const auto in = static_cast<Lists::Id>(labels >> 32), out = static_cast<Lists::Id>(labels);
    const W final = s == kEnd ? W::one() : W(view.states[s].final);
    const bool owed = in || out;
    result.open(owed ? W::zero() : final);
    if (owed && !is_zero(final)) step(in, out, final, kEnd, true);
    if (s == kEnd) continue;
    for (const Arc<W>& arc : view.arcs_of(s)) {
      work.step();
      step(lists.append(in, arc.ilabel), lists.append(out, arc.olabel), arc.weight, arc.nextstate, false);
    }
    work.made(numbers.size(), result.arcs.size());
  }
  return result.finish();
}

#define SONANT_INSTANTIATE(W) template Fst<W> synchronize(const Fst<W>&, Bounds);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include <utility>

#include "fst/builder.h"
#include "fst/special.h"
#include "pair_map.h"

namespace sonant {

namespace {

using StdArc = Arc<TropicalWeight>;
constexpr Label kNone = -1;

// States that are still to be added have one arc each.
StdFst with_states(const View<TropicalWeight>& view, Array<StdArc>&& arcs, const std::vector<StdArc>& added) {
  FstBuilder<TropicalWeight> made;
  made.states.reserve(view.num_states + added.size());
  made.states.assign(view.states, view.states + view.num_states);
  made.arcs = std::move(arcs);
  made.arcs.reserve(made.arcs.size() + added.size());
  for (const StdArc& arc : added) {
    made.open();
    made.add(arc);
  }
  made.start = view.start;
  return made.finish();
}

}  // namespace

StdFst make_preceding_input_symbols_same(const StdFst& fst, bool start_is_epsilon) {
  const View<TropicalWeight> view = fst.view();
  std::vector<Label> comes_by(view.num_states, kNone);
  std::vector<char> mixed_up(view.num_states, 0);
  if (start_is_epsilon && view.start != kNoState) comes_by[view.start] = 0;
  Array<StdArc> arcs;
  arcs.reserve(view.num_arcs());
  bool any = false;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const StdArc& arc : view.arcs_of(s)) {
      arcs.push_back(arc);
      Label& label = comes_by[arc.nextstate];
      if (label == kNone) {
        label = arc.ilabel;
      } else if (label != arc.ilabel) {
        any = true;
        mixed_up[arc.nextstate] = 1;
      }
    }
  }
  if (!any) return fst;
  std::vector<StdArc> added;
  PairMap number;  // of the state that arcs with a label take on their way to another
  for (StdArc& arc : arcs) {
    if (arc.ilabel == 0 || !mixed_up[arc.nextstate]) continue;
    const auto next = static_cast<StateId>(view.num_states + added.size());
    const StateId found = number.put(std::uint32_t(arc.nextstate), std::uint32_t(arc.ilabel), next);
    if (found == next) added.push_back({0, 0, TropicalWeight::one(), arc.nextstate});
    arc.nextstate = found;
  }
  return with_states(view, std::move(arcs), added);
}

StdFst make_following_input_symbols_same(const StdFst& fst, bool end_is_epsilon) {
  const View<TropicalWeight> view = fst.view();
  Array<StdArc> arcs;
  std::vector<StdArc> added;
  arcs.reserve(view.num_arcs());
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    const std::size_t first = arcs.size();
    Label label = kNone;
    bool same = true;
    for (const StdArc& arc : view.arcs_of(s)) {
      arcs.push_back(arc);
      if (label == kNone) label = arc.ilabel;
      same &= label == arc.ilabel;
    }
    if (end_is_epsilon && label > 0 && !is_zero(TropicalWeight(view.states[s].final))) same = false;
    if (same) continue;
    for (std::size_t i = first; i < arcs.size(); ++i) {
      StdArc& arc = arcs[i];
      if (arc.ilabel == 0) continue;
      added.push_back({arc.ilabel, 0, TropicalWeight::one(), arc.nextstate});
      arc.ilabel = 0;
      arc.nextstate = static_cast<StateId>(view.num_states + added.size() - 1);
    }
  }
  return added.empty() ? fst : with_states(view, std::move(arcs), added);
}

}  // namespace sonant

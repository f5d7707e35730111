// Topological order, and the properties that a walk and a look at each arc tell.
#include <algorithm>
#include <numeric>

#include "fst/walk.h"

namespace sonant {

namespace {

bool has_repeats(std::vector<Label>& labels) {
  if (!std::ranges::is_sorted(labels)) std::ranges::sort(labels);
  return std::ranges::adjacent_find(labels) != labels.end();
}

}  // namespace

template <class W>
std::vector<StateId> topological_order(const View<W>& fst) {
  const Walk walked = walk(fst);
  std::vector<StateId> order;
  if (walked.cyclic) return order;
  order.resize(fst.num_states);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[walked.finished[order.size() - 1 - i]] = static_cast<StateId>(i);
  }
  return order;
}

template <class W>
properties::Bits find_properties(const View<W>& fst, properties::Bits stored, properties::Bits mask) {
  using namespace properties;
  if ((known(stored) & mask) == mask) return stored;
  Bits bits = stored & kBinary;
  const auto set = [&](bool condition, Bits holds, Bits fails) { bits |= condition ? holds : fails; };
  Walk walked;
  if (mask & (kOfWalk | kOfCycles)) {
    walked = walk(fst);
    set(walked.cyclic, kCyclic, kAcyclic);
    set(walked.initial_cyclic, kInitialCyclic, kInitialAcyclic);
    set(walked.all_accessible, kAccessible, kNotAccessible);
    set(walked.all_coaccessible, kCoAccessible, kNotCoAccessible);
  }
  if (!(mask & ~(kBinary | kOfWalk))) return bits;

  bits |= kAcceptor | kNoEpsilons | kNoIEpsilons | kNoOEpsilons;
  bits |= kILabelSorted | kOLabelSorted | kUnweighted | kTopSorted;
  const bool ask_input = mask & (kIDeterministic | kNonIDeterministic);
  const bool ask_output = mask & (kODeterministic | kNonODeterministic);
  bool ideterministic = true, odeterministic = true, weighted_cycles = false, string = true, final_seen = false;
  std::vector<Label> labels;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    const auto arcs = fst.arcs_of(s);
    const Arc<W>* previous = nullptr;
    for (const Arc<W>& arc : arcs) {
      mark_arc(bits, facts(arc));
      if (previous) {
        mark(bits, previous->ilabel > arc.ilabel, kNotILabelSorted, kILabelSorted);
        mark(bits, previous->olabel > arc.olabel, kNotOLabelSorted, kOLabelSorted);
      }
      mark(bits, arc.nextstate <= s, kNotTopSorted, kTopSorted);
      if (!is_plain(arc.weight) && !walked.component.empty()) {
        weighted_cycles |= walked.component[s] == walked.component[arc.nextstate];
      }
      string &= arc.nextstate == s + 1;
      previous = &arc;
    }
    const auto distinct = [&](Label Arc<W>::*label) {
      labels.clear();
      for (const Arc<W>& arc : arcs) labels.push_back(arc.*label);
      return !has_repeats(labels);
    };
    if (ask_input && ideterministic) ideterministic = distinct(&Arc<W>::ilabel);
    if (ask_output && odeterministic) odeterministic = distinct(&Arc<W>::olabel);
    string &= !final_seen;  // nothing may follow the final state
    const W& final = fst.states[s].final;
    if (is_zero(final)) {
      string &= arcs.size() == 1;
    } else {
      mark(bits, !is_one(final), kWeighted, kUnweighted);
      final_seen = true;
    }
  }
  if (ask_input) set(ideterministic, kIDeterministic, kNonIDeterministic);
  if (ask_output) set(odeterministic, kODeterministic, kNonODeterministic);
  if (mask & kOfCycles) set(weighted_cycles, kWeightedCycles, kUnweightedCycles);
  set(string && (fst.start == kNoState || fst.start == 0), kString, kNotString);
  return bits;
}

#define SONANT_INSTANTIATE(W)                                              \
  template std::vector<StateId> topological_order(const View<W>&);         \
  template properties::Bits find_properties(const View<W>&, properties::Bits, properties::Bits);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

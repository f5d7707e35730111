// One depth-first walk: strongly connected components, reachability, topological order; and the properties.
#include <algorithm>
#include <numeric>

#include "fst.h"

namespace sonant {

namespace {

constexpr std::int32_t kUnseen = -1;

struct Walk {
  std::vector<std::int32_t> component;  // of each state
  std::vector<StateId> finished;        // states in the order in which the walk left them
  bool cyclic = false, initial_cyclic = false, all_accessible = true, all_coaccessible = true;
};

// Tarjan's algorithm (SIAM J. Comput. 1, 1972) without recursion, from the start state first. It visits the arcs
// of a state in their order.
template <class W>
Walk walk(const View<W>& fst) {
  struct Frame {
    StateId state;
    std::uint32_t next;  // arc to look at
  };
  const std::size_t n = fst.num_states;
  Walk result;
  result.component.assign(n, kUnseen);
  result.finished.reserve(n);
  std::vector<std::int32_t> entered(n, kUnseen), low(n, 0);
  std::vector<char> open(n, 0), reaches_final(n, 0), on_path(n, 0);
  std::vector<StateId> stack;
  std::vector<Frame> path;
  std::int32_t clock = 0, components = 0;

  const auto enter = [&](StateId s) {
    entered[s] = low[s] = clock++;
    open[s] = on_path[s] = 1;
    reaches_final[s] = !is_zero(fst.states[s].final);
    stack.push_back(s);
    path.push_back({s, 0});
  };
  const auto run = [&](StateId root) {
    enter(root);
    while (!path.empty()) {
      const StateId s = path.back().state;
      const auto arcs = fst.arcs_of(s);
      if (path.back().next < arcs.size()) {
        const StateId to = arcs[path.back().next++].nextstate;
        if (entered[to] == kUnseen) {
          enter(to);
          continue;
        }
        if (on_path[to]) {
          result.cyclic = true;
          result.initial_cyclic |= to == fst.start;
        }
        if (open[to]) low[s] = std::min(low[s], entered[to]);
        reaches_final[s] |= reaches_final[to];
        continue;
      }
      if (low[s] == entered[s]) {  // the root of a component: what one of its states reaches, all do
        auto first = stack.end();
        bool any = false;
        do {
          --first;
          any |= reaches_final[*first] != 0;
        } while (*first != s);
        for (auto member = first; member != stack.end(); ++member) {
          open[*member] = 0;
          reaches_final[*member] = any;
          result.component[*member] = components;
        }
        result.all_coaccessible &= any;
        ++components;
        stack.erase(first, stack.end());
      }
      on_path[s] = 0;
      result.finished.push_back(s);
      path.pop_back();
      if (!path.empty()) {
        const StateId parent = path.back().state;
        low[parent] = std::min(low[parent], low[s]);
        reaches_final[parent] |= reaches_final[s];
      }
    }
  };
  if (fst.start != kNoState) run(fst.start);
  for (StateId s = 0; s < static_cast<StateId>(n); ++s) {
    if (entered[s] != kUnseen) continue;
    result.all_accessible = false;
    run(s);
  }
  return result;
}

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

// One depth-first walk along the arcs: strongly connected components, reachability, order.
#pragma once

#include <algorithm>
#include <vector>

#include "fst/fst.h"

namespace sonant {

inline constexpr std::int32_t kUnseen = -1;

struct Walk {
  Array<std::int32_t> component;  // of each state; arcs lead to the same component or to a lower one
  std::int32_t components = 0;
  Array<StateId> finished;  // states in the order in which the walk left them
  bool cyclic = false, initial_cyclic = false, all_accessible = true, all_coaccessible = true;
};

struct AnyArc {
  template <class W>
  bool operator()(const Arc<W>&) const {
    return true;
  }
};

// Tarjan's algorithm (SIAM J. Comput. 1, 1972) without recursion, from the start state first. It visits the arcs
// of a state in their order, and looks only at those that `follow` takes.
template <class W, class Follow = AnyArc>
Walk walk(const View<W>& fst, Follow follow = {}) {
  struct Frame {
    StateId state;
    std::uint32_t next;  // arc to look at
  };
  const std::size_t n = fst.num_states;
  Walk result;
  result.component.assign(n, kUnseen);
  result.finished.reserve(n);
  Array<std::int32_t> entered(n, kUnseen), low(n, 0);
  Array<char> open(n, 0), reaches_final(n, 0), on_path(n, 0);
  std::vector<StateId> stack;
  std::vector<Frame> path;
  std::int32_t clock = 0;
  std::int32_t& components = result.components;

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
        const Arc<W>& arc = arcs[path.back().next++];
        if (!follow(arc)) continue;
        const StateId to = arc.nextstate;
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

// States in the order of components, those of one component side by side: arcs lead to the same component or to a
// later state. `begin[i]` is where the i-th one starts; begin.back() is the number of states.
struct Components {
  std::vector<StateId> states;
  std::vector<std::uint32_t> begin;
};

inline Components in_order(const Walk& walked) {
  Components result;
  const std::size_t count = static_cast<std::size_t>(walked.components);
  result.states.resize(walked.component.size());
  result.begin.assign(count + 1, 0);
  for (const std::int32_t c : walked.component) ++result.begin[count - c];
  for (std::size_t i = 0; i < count; ++i) result.begin[i + 1] += result.begin[i];
  std::vector<std::uint32_t> next(result.begin.begin(), result.begin.end() - 1);
  for (std::size_t s = 0; s < walked.component.size(); ++s) {
    result.states[next[count - 1 - walked.component[s]]++] = static_cast<StateId>(s);
  }
  return result;
}

}  // namespace sonant

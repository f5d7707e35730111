// Strings of output labels as they move along the paths of an automaton.
#pragma once

#include <cstdint>
#include <vector>

#include "fst/work.h"

namespace sonant {

// Strings as lists of a label and the rest, each rest kept once. 0 is the empty string.
class Lists {
 public:
  using Id = std::uint32_t;
  Id prepend(Label label, Id rest) {
    if (label == 0) return rest;
    const Id id = nodes_(std::uint64_t(std::uint32_t(label)) << 32 | rest) + 1;
    if (id == length_.size()) length_.push_back(length(rest) + 1);
    return id;
  }
  std::uint32_t length(Id id) const { return length_[id]; }
  Label label(Id id) const { return static_cast<Label>(nodes_.key(id - 1) >> 32); }
  Id rest(Id id) const { return static_cast<Id>(nodes_.key(id - 1)); }
  Id without_first(Id id, std::uint32_t count) const {
    while (count-- > 0) id = rest(id);
    return id;
  }
  // The labels of `a`, then those of `b`.
  Id joined(Id a, Id b) {
    if (a == 0) return b;
    scratch_.clear();
    for (; a; a = rest(a)) scratch_.push_back(label(a));
    for (std::size_t i = scratch_.size(); i-- > 0;) b = prepend(scratch_[i], b);
    return b;
  }
  Id append(Id id, Label label) { return label == 0 ? id : joined(id, prepend(label, 0)); }
  Id reversed(Id id) {
    Id result = 0;
    for (; id; id = rest(id)) result = prepend(label(id), result);
    return result;
  }
  Id common(Id a, Id b) {
    std::vector<Label> labels;
    Id x = a, y = b;
    while (x && y && x != y && label(x) == label(y)) {
      labels.push_back(label(x));
      x = rest(x);
      y = rest(y);
    }
    Id id = x == y ? x : 0;
    while (!labels.empty()) {
      id = prepend(labels.back(), id);
      labels.pop_back();
    }
    return id;
  }

 private:
  Numbering nodes_;
  std::vector<Label> scratch_;
  std::vector<std::uint32_t> length_ = {0};
};

// What all outputs of each state begin with.
template <class W>
std::vector<Lists::Id> common_outputs(const View<W>& fst, Lists& lists, Work& work) {
  constexpr Lists::Id kAny = 0xffffffff;  // nothing is known yet
  std::vector<Lists::Id> common(fst.num_states, kAny);
  const auto find = [&](StateId s) {
    Lists::Id id = is_zero(fst.states[s].final) ? kAny : 0;
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      work.step();
      if (id == 0) break;
      if (common[arc.nextstate] == kAny) continue;
      const Lists::Id own = lists.prepend(arc.olabel, common[arc.nextstate]);
      id = id == kAny ? own : lists.common(id, own);
    }
    const bool changed = id != common[s];
    common[s] = id;
    return changed;
  };
  const std::vector<StateId> order = topological_order(fst);
  std::vector<StateId> at(fst.num_states);
  for (std::size_t s = 0; s < at.size(); ++s) at[order.empty() ? s : order[s]] = StateId(s);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = at.size(); i-- > 0;) changed |= find(at[i]);
    if (!order.empty()) break;
  }
  return common;
}

}  // namespace sonant

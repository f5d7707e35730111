// Strings of labels as paths of a tree from its root: what strings begin with in common is kept once.
#pragma once

#include <vector>

#include "fst/work.h"

namespace sonant {

// A node is a string, 0 the empty one; it has a higher number than what it begins with.
class PrefixTree {
 public:
  using Id = std::uint32_t;
  Id append(Id id, Label label) {
    return label == 0 ? id : nodes_(std::uint64_t(id) << 32 | std::uint32_t(label)) + 1;
  }
  Id parent(Id id) const { return static_cast<Id>(nodes_.key(id - 1) >> 32); }
  Label label(Id id) const { return static_cast<Label>(nodes_.key(id - 1)); }
  std::size_t size() const { return nodes_.size(); }
  // What the two begin with in common.
  Id common(Id a, Id b) const {
    while (a != b) (a > b ? a : b) = parent(a > b ? a : b);
    return a;
  }
  // What follows `prefix`, which `id` begins with.
  Id without(Id prefix, Id id) {
    if (prefix == 0) return id;
    scratch_.clear();
    for (; id != prefix; id = parent(id)) scratch_.push_back(label(id));
    Id rest = 0;
    for (std::size_t i = scratch_.size(); i-- > 0;) rest = append(rest, scratch_[i]);
    return rest;
  }
  Id joined(Id a, Id b) {
    if (a == 0) return b;
    scratch_.clear();
    for (; b; b = parent(b)) scratch_.push_back(label(b));
    for (std::size_t i = scratch_.size(); i-- > 0;) a = append(a, scratch_[i]);
    return a;
  }
  void copy_to(Id id, std::vector<Label>& to) const {
    to.clear();
    for (; id; id = parent(id)) to.push_back(label(id));
    std::ranges::reverse(to);
  }
  // Kaldi's order: positive where `a` is the better one of two with the same cost, the shorter one first.
  int compare(Id a, Id b) const {
    if (a == b) return 0;
    std::vector<Label> s, t;
    copy_to(a, s);
    copy_to(b, t);
    if (s.size() != t.size()) return s.size() < t.size() ? 1 : -1;
    return s < t ? -1 : 1;
  }
  // Keeps the strings that `keep` holds a number of, and what they begin with; these get new numbers.
  template <class Visit>
  void collect(Visit visit) {
    std::vector<Id> number(size() + 1, 0);
    visit([&](Id& id) { number[id] = 1; });
    for (Id id = static_cast<Id>(size()); id > 0; --id) {
      if (number[id]) number[parent(id)] = 1;
    }
    Numbering kept;
    number[0] = 0;
    for (Id id = 1; id < number.size(); ++id) {
      if (number[id]) number[id] = kept(std::uint64_t(number[parent(id)]) << 32 | std::uint32_t(label(id))) + 1;
    }
    nodes_ = std::move(kept);
    visit([&](Id& id) { id = number[id]; });
  }

 private:
  Numbering nodes_;
  std::vector<Label> scratch_;
};

}  // namespace sonant

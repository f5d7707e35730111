// Phrases that a search is to look out for, in an automaton of Aho and Corasick (1975) over labels.
//
// A state is the longest end of the labels so far with which some phrase begins. A sequence earns the boost of each
// phrase wherever it ends in it, overlapping ones too. On the way into a phrase a part of its boost, in proportion to
// its labels so far, is pending: lent, so that a beam keeps what could become the phrase, and given back along the
// failure arcs where it does not.
#pragma once

#include <cstdint>
#include <vector>

#include "pair_map.h"

namespace sonant {

struct Phrase {
  std::vector<std::int32_t> labels;
  double boost;  // natural logarithm
};

class HotWords {
 public:
  HotWords() = default;
  explicit HotWords(const std::vector<Phrase>& phrases);  // throws SearchError

  bool empty() const { return nodes_.size() == 1; }
  std::int32_t step(std::int32_t state, std::int32_t label) const {
    for (;; state = nodes_[state].failure) {
      const std::int32_t next = children_.find(static_cast<std::uint32_t>(state), static_cast<std::uint32_t>(label));
      if (next != PairMap::kNone) return next;
      if (state == kRoot) return kRoot;
    }
  }
  double earned(std::int32_t state) const { return nodes_[state].earned; }    // by coming here
  double pending(std::int32_t state) const { return nodes_[state].pending; }  // while one is here
  double most() const { return most_; }  // that a label can bring, pending or earned
  std::int32_t longest() const { return longest_; }

  static constexpr std::int32_t kRoot = 0;

 private:
  struct Node {
    std::int32_t failure = kRoot;
    double earned = 0.0, pending = 0.0;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
  PairMap children_;  // (node, label) -> node
  double most_ = 0.0;
  std::int32_t longest_ = 0;
};

}  // namespace sonant

// Look-ahead: which labels can come first on the paths from a state, and composition that goes only where one of them
// can be read (Allauzen, Riley and Schalkwyk, "A generalized composition algorithm for weighted finite-state
// transducers", Interspeech 2009).
//
// Labels are numbered anew, in the order in which a depth-first walk along the epsilons meets them, so that those of a
// state make few intervals. The automaton, and the one that it is composed with, then have these labels.
//
// Of the two sides, call `a` the one that is known (left by its output labels, or right by its input labels) and `b`
// the other one. Epsilons of b go first. Where a moves by an epsilon and b stays, the arcs of b's state with labels
// that a can reach from there tell what comes:
//   none, and no final state: no arc is made
//   one: with `push_labels`, b takes it at once, its output comes now, and a goes on to its label by epsilons alone
//   more: with `push_weights`, the sum of their weights (-log of the sum of exp(-cost)) is paid now, and given back
//         when the label is read
// What has been paid is part of the state, in multiples of 1/1024, so that on each path all of it is given back.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fst/fst.h"
#include "files/input.h"
#include "files/output.h"

namespace sonant {

struct Interval {
  Label begin, end;  // end is not in it
};

struct Reachability {
  bool input = false;                              // of input labels, else of output labels
  bool keeps_labels = true;                        // whether a file has `labels`
  std::vector<std::pair<Label, Label>> labels;     // old and new; -1 stands for the end; those of a file in its order
  Label final_label = kNoState;                    // stands for a final state; -1 where there is none
  std::vector<std::uint32_t> begin = {0};          // of each state's intervals, and their number
  std::vector<Interval> intervals;

  std::size_t num_states() const { return begin.size() - 1; }
  std::span<const Interval> of(StateId s) const {
    return {intervals.data() + begin[s], intervals.data() + begin[s + 1]};
  }
  bool reaches(StateId s, Label label) const;
  // Throws FstError where it does not tell all that `fst` reaches: it belongs to another automaton, or was changed.
  template <class W>
  void check(const Fst<W>& fst) const;

  // The pair (old, new) for all labels; with those that must move out of the way, as OpenFst gives them.
  std::vector<std::pair<Label, Label>> relabel_pairs(bool avoid_collisions) const;

 private:
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const void> checked_;  // the tables that check() has passed
};

// As OpenFst's label-reachable.h numbers them. `labels` are the old ones, to relabel with.
template <class W>
std::shared_ptr<Reachability> find_reachability(const Fst<W>& fst, bool input);

// Files that hold an automaton and, behind it, this.
inline bool is_lookahead(const std::string& fst_type) {
  return fst_type == "olabel_lookahead" || fst_type == "ilabel_lookahead";
}
inline constexpr std::int32_t kAddOnMagic = 446681434;

// What stands there behind the automaton: sets for the input side, the output side, or none.
std::shared_ptr<Reachability> read_addon(Input& in);
void write_addon(Output& out, const Reachability& reach);

struct LookAheadOptions {
  bool push_weights = true, push_labels = true;
};

}  // namespace sonant

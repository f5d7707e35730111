// Looks labels up in an n-gram automaton, as a Matcher (compose_step.h) does in a table of arcs. Destinations,
// which cost a walk down the tree of contexts, are found for the arcs that are asked for.
#pragma once

#include <vector>

#include "fst/ngram.h"

namespace sonant {

template <class W>
class NgramMatcher {
 public:
  static constexpr bool whole = false;
  explicit NgramMatcher(const NgramFst<W>& fst) : fst_(&fst) { fst.check(); }

  std::size_t num_states() const { return fst_->num_states(); }
  StateId start() const { return fst_->start(); }
  State<W> state(StateId s) const {
    State<W> state;
    state.final = fst_->final(s);
    state.iepsilons = state.oepsilons = s != 0;
    state.arcs = static_cast<std::uint32_t>(fst_->words_begin(s + 1) - fst_->words_begin(s)) + state.iepsilons;
    return state;
  }
  const NoStrings& strings() const { return strings_; }

  void set(StateId s) {
    if (s == state_) return;
    state_ = s;
    begin_ = fst_->words_begin(s);
    end_ = fst_->words_begin(s + 1);
    fst_->history(s, history_);
    if (s) backoff_ = {0, 0, fst_->backoff(s), fst_->parent(s)};
  }
  std::span<const Arc<W>> find(Label label) {
    if (label == 0) return {&backoff_, std::size_t(state_ != 0)};
    const std::uint64_t at = lower_bound(begin_, label);
    if (at == end_ || fst_->word(at) != label) return {};
    found_ = arc(at);
    return {&found_, 1};
  }

  // Words of the state, by their place in the table of all words.
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  Label label(std::uint64_t at) const { return fst_->word(at); }
  float cost(std::uint64_t at) const { return fst_->cost(at).value; }
  Arc<W> arc(std::uint64_t at) const {
    const Label word = fst_->word(at);
    return {word, word, fst_->cost(at), fst_->next(history_, word)};
  }
  // The first word from `at` on that is not less.
  std::uint64_t lower_bound(std::uint64_t at, Label label) const {
    std::uint64_t count = end_ - at;
    while (count > 0) {
      const std::uint64_t half = count / 2;
      const bool less = fst_->word(at + half) < label;
      at += less ? half + 1 : 0;
      count = less ? count - half - 1 : half;
    }
    return at;
  }

 private:
  const NgramFst<W>* fst_;
  StateId state_ = kNoState;
  std::uint64_t begin_ = 0, end_ = 0;
  std::vector<Label> history_;
  Arc<W> backoff_, found_;
  NoStrings strings_;
};

}  // namespace sonant

// Scores texts by an n-gram model.
//
// A long text is worth an index: a hash table, by all words of an n-gram, of its log-probability and of the context
// for the next word. Words are looked up some way ahead of their scores, so that their places in the table are
// fetched in the meantime; the scores are those of NgramLm::score to the bit.
#pragma once

#include <cstdint>
#include <vector>

#include "files/input.h"
#include "lm/ngram_lm.h"
#include "lm/word_table.h"

namespace sonant {

// What a text costs: sentences, one a line, words parted by blanks.
struct TextScore {
  std::int64_t sentences = 0, words = 0, unknown = 0;
  double logprob = 0;        // log10 of all, </s> included; unknown words by <unk> where the model has it
  double logprob_known = 0;  // without that of unknown words
};

class TextScorer {
 public:
  // The model must not change afterwards.
  explicit TextScorer(const NgramLm& lm) : lm_(lm) {}
  TextScore score(Input& in, const WordTable& words);
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot) + contexts_.capacity() * sizeof(Context); }

 private:
  using Node = NgramLm::Node;

  struct Slot {
    std::uint64_t hash;
    Node next;  // the context after the n-gram; kEmpty: no n-gram is here
    float logprob;
  };
  struct Context {
    float backoff;
    Node shorter;
  };
  // A word of the text, as the model has it, or the <s> before a sentence.
  struct Token {
    std::int32_t word;  // -1: the model says nothing of it
    Node unigram;
    bool begins, known;
  };
  static constexpr Node kEmpty = 0xffffffff;

  // The hash of an n-gram whose words but the first have this hash.
  static std::uint64_t longer(std::uint64_t hash, std::int32_t first) {
    hash = (hash ^ (hash >> 29) ^ (std::uint64_t(std::uint32_t(first)) + 1)) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 32);
  }
  std::size_t place(std::uint64_t hash) const {
    return static_cast<std::size_t>(((hash * 0xd6e8feb86659fd93 >> 32) * slots_.size()) >> 32);
  }
  // The slot of an n-gram, or the empty one where it would be.
  std::size_t find(std::uint64_t hash) const {
    std::size_t at = place(hash);
    while (slots_[at].next != kEmpty && slots_[at].hash != hash) at = at + 1 == slots_.size() ? 0 : at + 1;
    return at;
  }
  // Of a context of at most this length.
  std::size_t length(Node context, std::size_t most) const {
    while (context < lm_.first(most)) --most;
    return most;
  }
  bool make_index();
  void add(std::int32_t word, bool begins, bool known);
  void look_up(std::size_t token);
  void score_tokens(TextScore& score);
  double logprob(std::size_t token);

  const NgramLm& lm_;
  std::vector<Slot> slots_;
  std::vector<Context> contexts_;  // of the model, side by side
  bool indexed_ = false, refused_ = false;
  std::size_t scored_ = 0;  // tokens, all in all
  std::vector<Token> tokens_;
  std::size_t done_ = 0;               // of tokens_: kept, as the history of those that follow
  std::vector<std::uint64_t> hashes_;  // of the last 2, 3, ..., order() words up to each token
  Node context_ = NgramLm::kRoot;
  std::size_t length_ = 0;  // of the context
};

}  // namespace sonant

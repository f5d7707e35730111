// How words are spelled in tokens: which words a sequence of tokens may be.
//
//   kNone     there are no words
//   kLexicon  a trie over tokens: words are found where they end, and the next begins at the root; a sequence of
//             tokens may then be several sequences of words, and one that leaves the trie is none
//   kText     a token that begins a word ends the one before; a word is the texts of its tokens, found in a trie over
//             the bytes of the known words, and unknown where it is not there
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pair_map.h"

namespace sonant {

class Spelling {
 public:
  enum class Kind { kNone, kLexicon, kText };
  // What ends with a token. In a lexicon a choice is a number of `entry`, in text that of a word.
  static constexpr std::int32_t kNoWord = -1, kUnknown = -2;
  static constexpr std::int32_t kRoot = 0, kNowhere = -1;

  struct Pronunciation {
    std::int32_t word;
    std::vector<std::int32_t> tokens;
    double log_prob;
  };
  struct Token {
    std::string text;  // without the mark of a beginning
    bool begins;
  };
  struct Entry {
    std::int32_t word;
    float log_prob;
  };
  struct Arc {
    std::int32_t token, next;
  };

  Spelling() = default;
  Spelling(std::vector<std::string> words, const std::vector<Pronunciation>& pronunciations);  // kLexicon
  Spelling(std::vector<std::string> words, std::vector<Token> tokens);                         // kText

  Kind kind() const { return kind_; }
  const std::string& name(std::int32_t word) const { return words_[word]; }
  std::size_t words() const { return words_.size(); }

  // kLexicon
  std::span<const Arc> arcs(std::int32_t node) const {
    return {arcs_.data() + arc_begins_[node], arcs_.data() + arc_begins_[node + 1]};
  }
  std::int32_t next(std::int32_t node, std::int32_t token) const;  // kNowhere where there is no arc
  // Choices of what may end at a node: [entries_begin(node), entries_end(node)).
  std::int32_t entries_begin(std::int32_t node) const { return entry_begins_[node]; }
  std::int32_t entries_end(std::int32_t node) const { return entry_begins_[node + 1]; }
  const Entry& entry(std::int32_t choice) const { return entries_[choice]; }
  std::int32_t nodes() const { return static_cast<std::int32_t>(arc_begins_.size()) - 1; }

  // kText: a state is kRoot where the word has no text yet, kNowhere where no known word begins so.
  const Token& token(std::int32_t token) const { return tokens_[token]; }
  std::int32_t walk(std::int32_t state, std::int32_t token) const;
  // The word that the state spells: kNoWord at the root.
  std::int32_t word(std::int32_t state) const {
    return state == kRoot ? kNoWord : state == kNowhere ? kUnknown : spelled_[state];
  }

 private:
  Kind kind_ = Kind::kNone;
  std::vector<std::string> words_;
  std::vector<std::int32_t> arc_begins_, entry_begins_;
  std::vector<Arc> arcs_;
  std::vector<Entry> entries_;
  std::vector<Token> tokens_;
  std::vector<std::int32_t> spelled_;  // by node of the trie over bytes: word or kUnknown
  PairMap bytes_;                      // (node, byte) -> node
};

}  // namespace sonant

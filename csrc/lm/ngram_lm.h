// A backoff n-gram model as a flat tree: node 0 is the empty history, then come all n-grams of order 1, of order 2,
// ..., each order sorted by its first words and then its last, so that the children of a node lie side by side.
//
// p(w | h) is the probability of the longest end of h + w that the model has, times the backoffs of the longer ends
// of h that it has. Each node of less than the highest order knows its longest proper end that is a node, so that
// scoring a text is a walk from node to node.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lm/arpa.h"
#include "files/output.h"
#include "lm/word_table.h"

namespace sonant {

class NgramLm {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr float kNoProbability = -99;  // log10, of <s>, which is never predicted

  std::int32_t bos = -1, eos = -1, unk = -1;  // unk: -1 where there is none

  std::size_t order() const { return levels_.size() < 2 ? 0 : levels_.size() - 2; }
  std::size_t count(std::size_t order) const { return levels_[order + 1] - levels_[order]; }
  // The nodes of an order are [first(order), first(order + 1)).
  Node first(std::size_t order) const { return levels_[order]; }
  bool is_context(Node node) const { return node < backoffs_.size(); }
  std::int32_t word(Node node) const { return words_[node]; }
  float logprob(Node node) const { return logprobs_[node]; }  // log10
  float backoff(Node node) const { return is_context(node) ? backoffs_[node] : 0; }
  Node shorter(Node node) const { return shorter_[node]; }
  Node children_begin(Node node) const { return begins_[node]; }
  Node children_end(Node node) const { return begins_[node + 1]; }
  // The child of a context, or kRoot where there is none.
  Node child(Node context, std::int32_t word) const;
  // The longest end of a history that is a context.
  Node context(std::span<const std::int32_t> history) const;
  // log10 p(word | context), -infinity for a word that has no unigram; the context becomes that of the next word.
  double score(Node& context, std::int32_t word) const;
  // The word itself, or <unk> where the model has no such unigram (-1 where it has no <unk> either).
  std::int32_t known(std::int32_t word) const;

  // Fills the model from n-grams that come order by order, in any order within each.
  class Builder;

  void write_arpa(Output& out, const WordTable& words) const;
  std::size_t bytes() const;

  // Sets the backoff of each context so that the probabilities after it sum to 1.
  void normalize();

 private:
  friend class Builder;
  void link();
  double unseen_after(Node context) const;

  std::vector<Node> levels_;  // first node of each order, from 0 on, and the end
  std::vector<std::int32_t> words_;
  std::vector<float> logprobs_;
  std::vector<float> backoffs_;  // of contexts: nodes of less than the highest order
  std::vector<Node> begins_, shorter_;  // of contexts; begins_ has one more
  std::vector<Node> unigrams_;   // by word, where the numbers of words are not scattered
};

class NgramLm::Builder {
 public:
  explicit Builder(NgramLm& lm);
  // N-grams of order 1, then 2, ... Returns why it was skipped, or null.
  const char* add(std::span<const std::int32_t> words, float logprob, float backoff);
  // The same with the node of its first words; those of one order need not be sorted, but none comes twice.
  void add_child(Node parent, std::int32_t word, float logprob, float backoff);
  // Room for n-grams that are still to come.
  void reserve(std::size_t count);
  // Closes an order before the first n-gram of the next one comes; its nodes can be found from then on.
  void close();
  void set_backoff(Node context, float backoff) { lm_.backoffs_[context] = backoff; }
  void finish(std::size_t order);
  std::size_t duplicates() const { return duplicates_; }  // left out: of n-grams that come twice the first counts

 private:
  Node find(std::span<const std::int32_t> words);

  NgramLm& lm_;
  std::vector<Node> parents_;  // of the order that is being filled
  std::size_t level_ = 1;
  std::vector<std::int32_t> last_words_;  // of the last look-up, and the nodes on its way
  std::vector<Node> last_nodes_;
  std::size_t duplicates_ = 0;
};

struct NgramLmFile {
  NgramLm lm;
  ArpaWarnings warnings;
};

NgramLmFile read_ngram_lm(Input& in, WordTable* words, const ArpaOptions& options);

}  // namespace sonant

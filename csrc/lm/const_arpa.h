// Kaldi's const-arpa files: a backoff model that is used as it lies in the file.
//
// One array of 32-bit words holds the states, in the order of their words: log-probability, backoff (floats, natural
// logarithms), number of children, and for each child its word and where to find it: an odd number 2k + 1 is a state
// k words further on (negative: the place -k of the list of far states), an even one is the log-probability itself,
// its last bit cleared, of an n-gram without children and backoff. Unigrams, and far states, are offsets + 1 (0: none).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "files/input.h"
#include "lm/ngram_lm.h"
#include "files/output.h"

namespace sonant {

class ConstArpa {
 public:
  static ConstArpa of(const NgramLm& lm);
  static ConstArpa read(Input& in, bool binary);
  void write(Output& out) const;

  std::int32_t bos() const { return bos_; }
  std::int32_t eos() const { return eos_; }
  std::int32_t unk() const { return unk_; }
  std::int32_t order() const { return order_; }

  // Natural logarithm of p(word | history) in Kaldi's float arithmetic; -infinity for an unknown word.
  float logprob(std::int32_t word, std::span<const std::int32_t> history) const;
  // Whether a history has n-grams that go on from it.
  bool has_history(std::span<const std::int32_t> history) const;
  // As an ARPA file with the words' numbers, or their names where there is a table.
  void write_arpa(Output& out, const WordTable* words) const;

 private:
  static constexpr std::int64_t kNone = -1;

  std::int64_t unigram(std::int32_t word) const {
    return word >= 0 && std::size_t(word) < unigrams_.size() ? unigrams_[word] - 1 : kNone;
  }
  std::int32_t children(std::int64_t state) const;
  bool child_info(std::int64_t state, std::int32_t word, std::int32_t& info) const;
  // The state of a child, kNone where it has but a log-probability.
  std::int64_t child_state(std::int64_t state, std::int32_t info) const;
  std::int64_t state(std::span<const std::int32_t> history) const;
  float real(std::int64_t at) const;
  float recurse(std::int32_t word, std::span<const std::int32_t> history) const;
  std::int32_t known(std::int32_t word) const { return unk_ != -1 && unigram(word) == kNone ? unk_ : word; }
  std::int64_t checked(std::int64_t state) const;

  std::int32_t bos_ = -1, eos_ = -1, unk_ = -1, order_ = 0;
  std::vector<std::int32_t> made_;
  std::shared_ptr<const void> owner_;  // of states that lie in a mapped file
  std::span<const char> states_;       // 4 bytes each, at any offset
  std::int64_t size_ = 0;
  std::vector<std::int64_t> unigrams_, far_;
};

}  // namespace sonant

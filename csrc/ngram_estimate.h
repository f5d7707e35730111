// n-gram models from text, smaller ones, and mixtures.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ngram_lm.h"

namespace sonant {

// Counts all n-grams of the highest order, <s> once before each sentence and </s> behind it, in sorted arrays that
// are merged as they come: memory goes with the number of different n-grams, not with the text.
class NgramCounter {
 public:
  // Where `closed`, other words than those of the table are <unk>; else new words get numbers.
  static std::unique_ptr<NgramCounter> make(std::size_t order, WordTable& words, std::int32_t bos, std::int32_t eos,
                                            std::int32_t unk, bool closed);
  virtual ~NgramCounter() = default;
  // A sentence a line.
  virtual void read(Input& in) = 0;
  // Modified Kneser-Ney with interpolation (Chen and Goodman, "An empirical study of smoothing techniques", 1998;
  // Heafield et al., "Scalable modified Kneser-Ney language model estimation", 2013): three discounts an order from
  // the counts of counts, lower orders by the number of words that come before an n-gram, the lowest mixed with the
  // uniform distribution over all words, </s> and <unk>. n-grams of order i with a count below min_counts[i - 1] are
  // left out, and their share goes to the backoff. Where a text is so small that counts of counts are missing, the
  // discounts are 0.5, 1 and 1.5.
  virtual NgramLm kneser_ney(std::span<const std::int64_t> min_counts) = 0;
  // Discounts D1, D2, D3+ of each order, after kneser_ney().
  std::vector<double> discounts;
  std::int64_t sentences = 0, tokens = 0;
};

// Leaves out each n-gram whose absence changes the model's perplexity by less than the factor 1 + threshold
// (Stolcke, "Entropy-based pruning of backoff language models", 1998), and n-grams of orders above max_order.
NgramLm prune(const NgramLm& lm, double threshold, std::size_t max_order);

// p = sum of weights[i] * p_i, over the n-grams that any of the models has; backoffs make it sum to 1. The models
// have the same numbers for the same words.
NgramLm interpolate(std::span<const NgramLm* const> lms, std::span<const double> weights);

}  // namespace sonant

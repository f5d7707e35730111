// n-gram models from counts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lm/ngram_count.h"
#include "lm/ngram_lm.h"

namespace sonant {

struct NgramEstimate {
  NgramLm lm;
  std::vector<std::vector<double>> discounts;  // of each order; what they are is said below
  std::vector<std::string> warnings;           // where counts of counts are not as the formulas need them
};

// In both: n-grams of order i with a count below min_counts[i - 1] are left out, and their share goes to the backoff
// (i from 2 on; the last one where min_counts ends). Every word of the table is one of the model, but <s> and the
// word 0.

// Modified Kneser-Ney with interpolation (Chen and Goodman, "An empirical study of smoothing techniques", 1998;
// Heafield et al., "Scalable modified Kneser-Ney language model estimation", 2013): three discounts an order from
// the counts of counts, lower orders by the number of words that come before an n-gram, the lowest mixed with the
// uniform distribution over all words, </s> and <unk>. Where a text is so small that counts of counts are missing,
// the discounts are 0.5, 1 and 1.5.
NgramEstimate kneser_ney(const NgramCounts& counts, std::span<const std::int64_t> min_counts);

// Backoff with Good-Turing discounts (Katz, "Estimation of probabilities from sparse data", 1987), as SRILM does it:
//   p(w | h) = d(c) c / c(h),  c = c(h w);  d(c) = 1 above k, else, with n_i the n-grams that come i times,
//   d(c) = (r - a) / (1 - a),  r = (c + 1) n_{c+1} / (c n_c),  a = (k + 1) n_{k+1} / n_1
// where k = max_discounted[i - 1] of order i (the last one where that ends). k is lowered to where n_{k+1} is not 0;
// d(c) is 1 where it would not be in (0, 1]. A context whose words have all mass, though other words may come, gets one
// more count in c(h); one that all words follow is not discounted but sums to 1. Of the unigrams, words that do not
// come share what is left. Backoffs make the probabilities after each context sum to 1. discounts: d(1), ..., d(k).
NgramEstimate katz(const NgramCounts& counts, std::span<const std::int64_t> min_counts,
                   std::span<const std::int64_t> max_discounted);

}  // namespace sonant

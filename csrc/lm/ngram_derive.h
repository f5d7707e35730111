// Smaller n-gram models, and mixtures.
#pragma once

#include <cstddef>
#include <span>

#include "lm/ngram_lm.h"

namespace sonant {

// Leaves out each n-gram whose absence changes the model's perplexity by less than the factor 1 + threshold
// (Stolcke, "Entropy-based pruning of backoff language models", 1998), and n-grams of orders above max_order.
NgramLm prune(const NgramLm& lm, double threshold, std::size_t max_order);

// p = sum of weights[i] * p_i, over the n-grams that any of the models has; backoffs make it sum to 1. The models
// have the same numbers for the same words.
NgramLm interpolate(std::span<const NgramLm* const> lms, std::span<const double> weights);

}  // namespace sonant

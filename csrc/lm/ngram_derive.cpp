#include "lm/ngram_derive.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fst/error.h"

namespace sonant {

namespace {

using Node = NgramLm::Node;

void poll() {
  if (Input::on_interrupt) Input::on_interrupt();
}

// The n-grams to keep, order by order, in the numbers that they will have.
template <class Value>
NgramLm rebuilt(const NgramLm& lm, const std::vector<char>& keep, std::size_t order, Value logprob) {
  NgramLm made;
  made.bos = lm.bos;
  made.eos = lm.eos;
  made.unk = lm.unk;
  NgramLm::Builder builder(made);
  std::vector<Node> number(lm.first(lm.order()), NgramLm::kRoot);
  Node next = 1;
  for (std::size_t n = 1; n <= order; ++n) {
    for (Node parent = lm.first(n - 1); parent < lm.first(n); ++parent) {
      if (parent != NgramLm::kRoot && !keep[parent]) continue;
      for (Node node = lm.children_begin(parent); node < lm.children_end(parent); ++node) {
        if (!keep[node]) continue;
        builder.add_child(number[parent], lm.word(node), logprob(node), 0);
        if (lm.is_context(node)) number[node] = next;
        ++next;
      }
    }
    builder.close();
  }
  builder.finish(order);
  return made;
}

}  // namespace

NgramLm prune(const NgramLm& lm, double threshold, std::size_t max_order) {
  if (!(threshold >= 0)) fst_error("the threshold ", threshold, "; expected 0 or more");
  const std::size_t order = std::min(lm.order(), max_order);
  if (order < 1) fst_error("n-grams of at most order ", max_order, "; expected 1 or more");
  std::vector<char> keep(lm.first(lm.order() + 1), 1);
  std::vector<double> history(lm.first(lm.order()), 0);  // ln p of the words of a context
  Node root = NgramLm::kRoot;
  const double start = lm.score(root, lm.eos);
  const double ln10 = std::log(10.0);
  for (Node parent = 0; parent < history.size(); ++parent) {
    for (Node node = lm.children_begin(parent); node < lm.children_end(parent); ++node) {
      if (!lm.is_context(node)) break;
      // A sentence begins as often as one ends.
      const bool begins = parent == NgramLm::kRoot && lm.word(node) == lm.bos;
      history[node] = history[parent] + (begins ? start : double(lm.logprob(node))) * ln10;
    }
  }
  std::vector<char> needed(lm.first(lm.order()), 0);
  for (std::size_t n = order; n > 1; --n) {
    for (Node context = lm.first(n - 1); context < lm.first(n); ++context) {
      const Node begin = lm.children_begin(context), end = lm.children_end(context);
      double left = 1, left_shorter = 1;
      std::vector<double> shorter;
      for (Node node = begin; node < end; ++node) {
        Node at = lm.shorter(context);
        shorter.push_back(lm.score(at, lm.word(node)) * ln10);
        left -= std::exp(lm.logprob(node) * ln10);
        left_shorter -= std::exp(shorter.back());
      }
      for (Node node = begin; node < end; ++node) {
        if (n < lm.order() && n < order && needed[node]) continue;
        const double p = lm.logprob(node) * ln10, q = shorter[node - begin];
        const double backoff = lm.backoff(context) * ln10;
        const double numerator = std::max(left, 0.0) + std::exp(p), denominator = std::max(left_shorter, 0.0) + std::exp(q);
        const double changed = std::log(numerator) - std::log(denominator);
        const double loss = -std::exp(history[context]) *
                            (std::exp(p) * (q + changed - p) + std::max(left, 0.0) * (changed - backoff));
        keep[node] = threshold == 0 || std::expm1(loss) >= threshold;
      }
      for (Node node = begin; node < end; ++node) {
        if (keep[node]) needed[context] = 1;
      }
      if (context % (1 << 16) == 0) poll();
    }
  }
  NgramLm made = rebuilt(lm, keep, order, [&](Node node) { return lm.logprob(node); });
  made.normalize();
  return made;
}

NgramLm interpolate(std::span<const NgramLm* const> lms, std::span<const double> weights) {
  if (lms.empty() || lms.size() != weights.size()) {
    fst_error(lms.size(), " models and ", weights.size(), " weights; expected one of each or more, and as many");
  }
  double sum = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) fst_error("a weight of ", weight, "; expected 0 or more");
    sum += weight;
  }
  if (!(sum > 0 && sum < HUGE_VAL)) fst_error("the weights sum to ", sum, "; expected more than 0");
  std::size_t order = 0;
  for (const NgramLm* lm : lms) order = std::max(order, lm->order());
  NgramLm made;
  made.bos = lms[0]->bos;
  made.eos = lms[0]->eos;
  for (const NgramLm* lm : lms) made.unk = made.unk < 0 ? lm->unk : made.unk;
  NgramLm::Builder builder(made);
  std::vector<std::int32_t> words;
  for (std::size_t n = 1; n <= order; ++n) {
    for (const NgramLm* lm : lms) {
      if (lm->order() < n) continue;
      std::vector<Node> path(n + 1, NgramLm::kRoot);
      for (std::size_t i = 1; i < n; ++i) path[i] = lm->first(i);
      words.resize(n);
      for (Node node = lm->first(n); node < lm->first(n + 1); ++node) {
        path[n] = node;
        for (std::size_t i = n; i-- > 1;) {
          while (lm->children_end(path[i]) <= path[i + 1]) ++path[i];
        }
        for (std::size_t i = 0; i < n; ++i) words[i] = lm->word(path[i + 1]);
        double p = 0;
        for (std::size_t i = 0; i < lms.size(); ++i) {
          Node context = lms[i]->context(std::span(words).first(n - 1));
          p += weights[i] / sum * std::pow(10.0, lms[i]->score(context, words.back()));
        }
        const bool never = n == 1 && words[0] == made.bos;
        builder.add(words, never || p <= 0 ? NgramLm::kNoProbability : static_cast<float>(std::log10(p)), 0);
      }
      poll();
    }
    builder.close();
  }
  builder.finish(order);
  made.normalize();
  return made;
}

}  // namespace sonant

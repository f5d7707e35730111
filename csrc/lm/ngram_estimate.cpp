#include "lm/ngram_estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "fst/error.h"

namespace sonant {

namespace {

using Node = NgramLm::Node;
using Kind = NgramCounts::Kind;

// An n-gram on its way into the model.
struct Entry {
  std::uint64_t key;  // first words (their node) and last word
  std::uint32_t count;
  float lower;  // probability after one word less

  bool operator<(const Entry& other) const { return key < other.key; }
  bool absorb(const Entry&) { return false; }
  Node context() const { return static_cast<Node>(key >> 32); }
  std::int32_t word() const { return static_cast<std::int32_t>(key); }
};

// What the two estimates share: order by order, the n-grams come sorted by their contexts.
class Estimator {
 public:
  Estimator(const NgramCounts& counts, std::span<const std::int64_t> min_counts)
      : counts_(counts), min_counts_(min_counts), builder_(made_.lm) {
    if (counts.sentences() == 0) fst_error("there is no sentence in the text");
    made_.lm.bos = counts.options().bos;
    made_.lm.eos = counts.options().eos;
    made_.lm.unk = counts.options().unk;
  }

 protected:
  std::size_t orders() const { return counts_.options().order; }
  std::int64_t min_count(std::size_t order) const {
    return order == 1 ? 0 : min_counts_.empty() ? 1 : min_counts_[std::min(order, min_counts_.size()) - 1];
  }

  // n-grams of an order whose contexts the model has; having_[c] becomes how many come c times.
  template <class Lower>
  Sorter<Entry> entries(std::size_t order, Kind kind, std::size_t highest_count, Lower lower) {
    SortMemory memory = counts_.options().memory;
    memory.bytes /= 2;
    Sorter<Entry> sorter(memory);
    having_.assign(highest_count + 1, 0);
    types_ = 0;
    const auto count_it = [&](std::uint32_t count) {
      if (count < having_.size()) ++having_[count];
    };
    const auto add = [&](Node parent, std::int32_t word, std::uint32_t count, float after) {
      sorter.add({std::uint64_t(parent) << 32 | std::uint32_t(word), count, after});
      ++types_;
    };
    if (order == 1) {
      const WordTable& words = counts_.words();
      const std::int32_t bos = made_.lm.bos;
      std::vector<std::uint32_t> seen(words.next_key(), 0);
      counts_.each(1, kind, [&](const NgramBlock& block) {
        for (std::size_t i = 0; i < block.counts.size(); ++i) seen[block.words[i]] = block.counts[i];
      });
      std::vector<char> taken(seen.size(), 0);
      for (std::size_t i = 0; i < words.size(); ++i) {
        const std::int32_t word = words.key_at(i);
        if (word == 0 || word == bos || taken[word]) continue;
        taken[word] = 1;
        add(NgramLm::kRoot, word, seen[word], 0);
        if (seen[word]) count_it(seen[word]);
      }
    } else {
      std::vector<std::int32_t> last;
      float after = 0;
      counts_.each(order, kind, [&](const NgramBlock& block) {
        for (std::size_t i = 0; i < block.counts.size(); ++i) {
          const auto reversed = std::span(block.words).subspan(i * order, order);
          count_it(block.counts[i]);
          const Node parent = find(reversed.subspan(1));
          if (parent == NgramLm::kRoot) continue;
          const auto shorter = reversed.first(order - 1);
          if (!std::ranges::equal(shorter, last)) {  // neighbours have the same end
            last.assign(shorter.begin(), shorter.end());
            after = lower(shorter);
          }
          add(parent, reversed[0], block.counts[i], after);
        }
        poll();
      });
    }
    sorter.finish(1);
    builder_.reserve(types_ + 1);
    if (order == 1) builder_.add_child(NgramLm::kRoot, made_.lm.bos, NgramLm::kNoProbability, 0);
    return sorter;
  }

  // Calls visit(entries of one context) for each context.
  template <class Visit>
  static void each_context(const Sorter<Entry>& sorter, Visit visit) {
    std::vector<Entry> entries;
    sorter.each([&](const Entry& entry) {
      if (!entries.empty() && entries[0].context() != entry.context()) {
        visit(std::span<const Entry>(entries));
        entries.clear();
      }
      entries.push_back(entry);
    });
    if (!entries.empty()) visit(std::span<const Entry>(entries));
  }

  // Of words in reverse.
  Node find(std::span<const std::int32_t> reversed) const {
    Node node = NgramLm::kRoot;
    for (std::size_t i = reversed.size(); i-- > 0;) {
      node = made_.lm.child(node, reversed[i]);
      if (node == NgramLm::kRoot) break;
    }
    return node;
  }

  template <class... Parts>
  void warn(std::size_t order, const Parts&... parts) {
    std::ostringstream text;
    text << "order " << order << ": ";
    (text << ... << parts);
    made_.warnings.push_back(text.str());
  }

  void poll() const {
    if (Input::on_interrupt) Input::on_interrupt();
  }

  const NgramCounts& counts_;
  std::span<const std::int64_t> min_counts_;
  NgramEstimate made_;
  NgramLm::Builder builder_;
  std::vector<std::uint64_t> having_;
  std::size_t types_ = 0;  // n-grams of the order, those to be left out included
};

class KneserNey : Estimator {
 public:
  using Estimator::Estimator;

  NgramEstimate estimate() {
    for (std::size_t order = 1; order <= orders(); ++order) {
      estimate(order);
      if (counts_.progress) counts_.progress();
    }
    builder_.finish(orders());
    return std::move(made_);
  }

 private:
  void estimate(std::size_t order) {
    const Sorter<Entry> sorter =
        entries(order, Kind::kContinuations, 4, [&](auto reversed) { return static_cast<float>(lower(reversed)); });
    const std::int64_t least = min_count(order);
    const std::array<double, 4> d = discounts(order);
    made_.discounts.emplace_back(d.begin() + 1, d.end());
    const double uniform = static_cast<float>(1.0 / double(types_));
    std::vector<double> probabilities;
    if (order < orders()) probabilities.reserve(types_);
    each_context(sorter, [&](std::span<const Entry> entries) {
      double sum = 0, left = 0;
      for (const Entry& entry : entries) {
        sum += entry.count;
        left += entry.count < least ? entry.count : d[std::min<std::uint32_t>(entry.count, 3)];
      }
      const double backoff = left / sum;
      const Node context = entries[0].context();
      for (const Entry& entry : entries) {
        if (entry.count < least) continue;
        const double own = entry.count - d[std::min<std::uint32_t>(entry.count, 3)];
        const double p = own / sum + backoff * (order == 1 ? uniform : entry.lower);
        builder_.add_child(context, entry.word(), static_cast<float>(std::log10(p)), 0);
        if (order < orders()) probabilities.push_back(p);
      }
      if (order > 1) builder_.set_backoff(context, static_cast<float>(std::log10(backoff)));
    });
    builder_.close();
    const NgramLm& lm = made_.lm;
    if (order == 1) {
      // <s> came first; its place among the others is by its number.
      probabilities_.assign(lm.first(2), 0);
      std::size_t at = 0;
      for (Node node = 1; node < lm.first(2) && at < probabilities.size(); ++node) {
        if (lm.word(node) != lm.bos) probabilities_[node] = probabilities[at++];
      }
    } else {
      probabilities_.insert(probabilities_.end(), probabilities.begin(), probabilities.end());
    }
  }

  // Of a word after the others, by the orders that are done.
  double lower(std::span<const std::int32_t> reversed) const {
    const NgramLm& lm = made_.lm;
    double backoff = 0;
    for (std::size_t length = reversed.size(); length > 0; --length) {
      const auto part = reversed.first(length);
      Node history = NgramLm::kRoot;
      if (length > 1 && (history = find(part.subspan(1))) == NgramLm::kRoot) continue;
      if (const Node node = lm.child(history, part[0]); node != NgramLm::kRoot) {
        return probabilities_[node] * std::pow(10.0, backoff);
      }
      backoff += lm.backoff(history);
    }
    return 0;
  }

  std::array<double, 4> discounts(std::size_t order) {
    std::array<double, 4> found = {};
    const auto& n = having_;
    bool good = n[1] && n[2] && n[3] && n[4];
    if (good) {
      const double y = double(n[1]) / (double(n[1]) + 2.0 * double(n[2]));
      for (std::size_t i = 1; i < 4; ++i) {
        found[i] = double(i) - double(i + 1) * y * double(n[i + 1]) / double(n[i]);
        good = good && found[i] > 0 && found[i] < double(i);
      }
    }
    if (good) return found;
    warn(order, n[1], ", ", n[2], ", ", n[3], ", ", n[4],
         " n-grams come 1, 2, 3, 4 times, which gives no discounts; taken are 0.5, 1 and 1.5");
    return {0, 0.5, 1, 1.5};
  }

  std::vector<double> probabilities_;  // by node, of the orders that are contexts
};

class Katz : Estimator {
 public:
  Katz(const NgramCounts& counts, std::span<const std::int64_t> min_counts,
       std::span<const std::int64_t> max_discounted)
      : Estimator(counts, min_counts), max_discounted_(max_discounted) {
    for (const std::int64_t k : max_discounted) {
      if (k < 0 || k > kMost) fst_error("counts up to ", k, " are to be discounted; expected 0 to ", kMost);
    }
  }

  NgramEstimate estimate() {
    for (std::size_t order = 1; order <= orders(); ++order) {
      estimate(order);
      if (counts_.progress) counts_.progress();
    }
    builder_.finish(orders());
    made_.lm.normalize();
    return std::move(made_);
  }

 private:
  static constexpr std::int64_t kMost = 1000;
  static constexpr double kNothing = 3e-6;  // less mass than this is none (as in SRILM)

  void estimate(std::size_t order) {
    std::int64_t k = 0;
    if (!max_discounted_.empty()) k = max_discounted_[std::min(order, max_discounted_.size()) - 1];
    const Sorter<Entry> sorter = entries(order, Kind::kOccurrences, std::size_t(k) + 1, [](auto) { return 0.0f; });
    if (order == 1) vocabulary_ = types_;
    const std::vector<double> d = discounts(order, std::size_t(k));
    made_.discounts.emplace_back(d.begin() + 1, d.end());
    const std::int64_t least = min_count(order);
    const auto mass = [&](const Entry& entry) {
      if (entry.count < least) return 0.0;
      return entry.count < d.size() ? d[entry.count] * entry.count : double(entry.count);
    };
    each_context(sorter, [&](std::span<const Entry> entries) {
      double sum = 0, kept = 0;
      std::size_t followers = 0;
      for (const Entry& entry : entries) {
        sum += entry.count;
        kept += mass(entry);
        if (mass(entry) > 0) ++followers;
      }
      if (followers == vocabulary_) {
        sum = kept;
      } else if (1 - kept / sum < kNothing) {
        sum += 1;
      }
      // Of each word that does not come, among the unigrams, which have nothing to back off to.
      const double rest = (1 - kept / sum) / std::max(1.0, double(entries.size() - followers));
      for (const Entry& entry : entries) {
        if (entry.count < least) continue;
        const double p = entry.count ? mass(entry) / sum : rest;
        builder_.add_child(entry.context(), entry.word(), static_cast<float>(std::log10(p)), 0);
      }
    });
    builder_.close();
  }

  std::vector<double> discounts(std::size_t order, std::size_t k) {
    const auto& n = having_;
    if (k > 0 && n[1] == 0) {
      warn(order, "no n-gram comes once: counts are not discounted");
      return {0};
    }
    const std::size_t wanted = k;
    while (k > 0 && n[k + 1] == 0) --k;
    if (k < wanted) {
      warn(order, "no n-gram comes ", k + 2, " to ", wanted + 1, " times: counts up to ", k,
           " are discounted, not to ", wanted);
    }
    std::vector<double> d(k + 1, 1);
    if (k == 0) return d;
    const double a = double(k + 1) * double(n[k + 1]) / double(n[1]);
    for (std::size_t c = 1; c <= k; ++c) {
      if (n[c] == 0) {
        warn(order, "no n-gram comes ", c, " times: that count is not discounted");
        continue;
      }
      const double r = double(c + 1) * double(n[c + 1]) / (double(c) * double(n[c]));
      const double found = (r - a) / (1 - a);
      if (found > kNothing && found <= 1) {
        d[c] = found;
      } else {
        warn(order, "the discount of the count ", c, " would be ", found, ": it is not discounted");
      }
    }
    return d;
  }

  std::span<const std::int64_t> max_discounted_;
  std::size_t vocabulary_ = 0;
};

}  // namespace

NgramEstimate kneser_ney(const NgramCounts& counts, std::span<const std::int64_t> min_counts) {
  return KneserNey(counts, min_counts).estimate();
}

NgramEstimate katz(const NgramCounts& counts, std::span<const std::int64_t> min_counts,
                   std::span<const std::int64_t> max_discounted) {
  return Katz(counts, min_counts, max_discounted).estimate();
}

}  // namespace sonant

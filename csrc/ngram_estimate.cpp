#include "ngram_estimate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fst_error.h"

namespace sonant {

namespace {

using Node = NgramLm::Node;
constexpr std::size_t kHighest = 7;
constexpr float kNoProbability = -99;  // of <s>, which is never predicted

void poll() {
  if (Input::on_interrupt) Input::on_interrupt();
}

template <std::size_t N>
class Counter : public NgramCounter {
  // Words in reverse, so that n-grams with the same end are neighbours. 0: before the sentence.
  using Key = std::array<std::int32_t, N>;

  struct Run {
    std::vector<Key> keys;
    std::vector<std::uint32_t> counts;
  };

 public:
  Counter(WordTable& words, std::int32_t bos, std::int32_t eos, std::int32_t unk, bool closed)
      : words_(words), bos_(bos), eos_(eos), unk_(unk), closed_(closed) {}

  void read(Input& in) override {
    constexpr std::string_view blank = " \t\r\v\f";
    Lines lines(in);
    std::string_view line;
    while (lines.next(line)) {
      std::size_t at = line.find_first_not_of(blank);
      if (at == line.npos) continue;
      ++sentences;
      Key key = {};
      key[0] = bos_;
      push(key);
      const auto add = [&](std::int32_t word) {
        ++tokens;
        std::copy_backward(key.begin(), key.end() - 1, key.end());
        key[0] = word;
        push(key);
      };
      while (at != line.npos) {
        const std::size_t end = std::min(line.size(), line.find_first_of(blank, at));
        const std::string_view text = line.substr(at, end - at);
        std::int32_t word = closed_ ? words_.find(text) : words_.add(text);
        if (word == WordTable::kNone) word = unk_;
        if (word == bos_ || word == eos_ || word == 0) {
          fst_error(in.name(), ":", lines.number(), ": the text has the word '", text,
                    "', which is put around sentences by itself; take it out");
        }
        add(word);
        at = line.find_first_not_of(blank, end);
      }
      add(eos_);
    }
    flush();
  }

  NgramLm kneser_ney(std::span<const std::int64_t> min_counts) override {
    flush();
    while (runs_.size() > 1) merge_last();
    if (runs_.empty()) fst_error("there is no sentence in the text");
    NgramLm lm;
    lm.bos = bos_;
    lm.eos = eos_;
    lm.unk = unk_;
    NgramLm::Builder builder(lm);
    discounts.clear();
    probabilities_.assign(1, 0);
    for (std::size_t order = 1; order <= N; ++order) {
      estimate(lm, builder, order, order <= min_counts.size() ? min_counts[order - 1] : 1);
    }
    builder.finish(N);
    return lm;
  }

 private:
  static constexpr std::size_t kRoom = std::size_t(1) << 21;

  struct Entry {
    std::uint64_t key;  // first words (their node) and last word
    std::uint32_t count;
    float lower;  // probability after one word less
  };

  void push(const Key& key) {
    buffer_.push_back(key);
    if (buffer_.size() == kRoom) flush();
  }

  void flush() {
    if (buffer_.empty()) return;
    std::sort(buffer_.begin(), buffer_.end());
    Run run;
    for (const Key& key : buffer_) append(run, key, 1);
    buffer_.clear();
    runs_.push_back(std::move(run));
    // Each run is larger than the next: the work of merging goes with n log n.
    while (runs_.size() > 1 && runs_[runs_.size() - 2].keys.size() < 2 * runs_.back().keys.size()) merge_last();
    poll();
  }

  static void append(Run& run, const Key& key, std::uint32_t count) {
    if (run.keys.empty() || run.keys.back() != key) {
      run.keys.push_back(key);
      run.counts.push_back(0);
    }
    std::uint32_t& sum = run.counts.back();
    sum = sum > 0xffffffff - count ? 0xffffffff : sum + count;
  }

  void merge_last() {
    Run b = std::move(runs_.back());
    runs_.pop_back();
    Run a = std::move(runs_.back());
    Run merged;
    merged.keys.reserve(a.keys.size() + b.keys.size());
    merged.counts.reserve(a.keys.size() + b.keys.size());
    for (std::size_t i = 0, j = 0; i < a.keys.size() || j < b.keys.size();) {
      const bool first = j == b.keys.size() || (i < a.keys.size() && a.keys[i] <= b.keys[j]);
      first ? append(merged, a.keys[i], a.counts[i]) : append(merged, b.keys[j], b.counts[j]);
      ++(first ? i : j);
    }
    merged.keys.shrink_to_fit();
    merged.counts.shrink_to_fit();
    runs_.back() = std::move(merged);
  }

  // Calls visit(words in reverse, adjusted count) for each n-gram of an order.
  template <class Visit>
  void each(std::size_t order, Visit visit) const {
    const Run& run = runs_[0];
    const auto end_of = [&](std::size_t i) { return std::span(run.keys[i]).first(order); };
    for (std::size_t i = 0; i < run.keys.size();) {
      const auto ngram = end_of(i);
      std::uint64_t sum = 0, before = 0;
      std::size_t j = i;
      for (; j < run.keys.size() && std::ranges::equal(end_of(j), ngram); ++j) {
        sum += run.counts[j];
        if (order < N && (j == i || run.keys[j][order] != run.keys[j - 1][order])) ++before;
      }
      i = j;
      if (ngram[order - 1] == 0) continue;  // reaches over the beginning of a sentence
      const bool raw = order == N || ngram[order - 1] == bos_;
      visit(ngram, static_cast<std::uint32_t>(std::min<std::uint64_t>(raw ? sum : before, 0xffffffff)));
    }
  }

  static Node find(const NgramLm& lm, std::span<const std::int32_t> reversed) {
    Node node = NgramLm::kRoot;
    for (std::size_t i = reversed.size(); i-- > 0;) {
      node = lm.child(node, reversed[i]);
      if (node == NgramLm::kRoot) break;
    }
    return node;
  }

  // Of a word after the others, by the orders that are done.
  double lower(const NgramLm& lm, std::span<const std::int32_t> reversed) const {
    double backoff = 0;
    for (std::size_t length = reversed.size(); length > 0; --length) {
      const auto part = reversed.first(length);
      Node history = NgramLm::kRoot;
      if (length > 1 && (history = find(lm, part.subspan(1))) == NgramLm::kRoot) continue;
      if (const Node node = lm.child(history, part[0]); node != NgramLm::kRoot) {
        return probabilities_[node] * std::pow(10.0, backoff);
      }
      backoff += lm.backoff(history);
    }
    return 0;
  }

  void estimate(NgramLm& lm, NgramLm::Builder& builder, std::size_t order, std::int64_t min_count) {
    std::vector<Entry> entries;
    std::array<std::uint64_t, 5> having = {};  // how many n-grams have the count 1, 2, 3, 4
    std::size_t types = 0;
    if (order == 1) {
      // Every word of the table is one of the model; <s> is not predicted, <eps> is no word.
      std::vector<char> seen(words_.next_key(), 0);
      each(1, [&](auto ngram, std::uint32_t count) {
        if (ngram[0] == bos_) return;
        entries.push_back({std::uint32_t(ngram[0]), count, 0});
        seen[ngram[0]] = 1;
        if (count < having.size()) ++having[count];
      });
      for (std::size_t i = 0; i < words_.size(); ++i) {
        const std::int32_t word = words_.key_at(i);
        if (word == 0 || word == bos_ || seen[word]) continue;
        seen[word] = 1;
        entries.push_back({std::uint32_t(word), 0, 0});
      }
      types = entries.size();
      for (Entry& entry : entries) entry.lower = static_cast<float>(1.0 / types);
      min_count = 0;
    } else {
      each(order, [&](auto ngram, std::uint32_t count) {
        if (count < having.size()) ++having[count];
        const Node parent = find(lm, ngram.subspan(1));
        if (parent == NgramLm::kRoot) return;
        const float after = static_cast<float>(lower(lm, ngram.first(order - 1)));
        entries.push_back({std::uint64_t(parent) << 32 | std::uint32_t(ngram[0]), count, after});
      });
    }
    poll();
    std::ranges::sort(entries, {}, &Entry::key);

    const std::array<double, 4> d = discounts_of(having);
    discounts.insert(discounts.end(), d.begin() + 1, d.end());
    if (order == 1) builder.add_child(NgramLm::kRoot, bos_, kNoProbability, 0);
    std::vector<double> made;
    for (std::size_t i = 0; i < entries.size();) {
      std::size_t j = i;
      double sum = 0, left = 0;
      for (; j < entries.size() && entries[j].key >> 32 == entries[i].key >> 32; ++j) {
        const std::uint32_t count = entries[j].count;
        sum += count;
        left += count < min_count ? count : d[std::min<std::uint32_t>(count, 3)];
      }
      const double backoff = left / sum;
      const auto context = static_cast<Node>(entries[i].key >> 32);
      for (; i < j; ++i) {
        const Entry& entry = entries[i];
        if (entry.count < min_count) continue;
        const double own = entry.count - d[std::min<std::uint32_t>(entry.count, 3)];
        const double p = own / sum + backoff * entry.lower;
        builder.add_child(context, static_cast<std::int32_t>(entry.key), static_cast<float>(std::log10(p)), 0);
        made.push_back(p);
      }
      if (order > 1) builder.set_backoff(context, static_cast<float>(std::log10(backoff)));
    }
    builder.close();
    if (order == 1) {
      // <s> came first; its place among the others is by its number.
      probabilities_.assign(lm.first(2), 0);
      std::size_t at = 0;
      for (Node node = 1; node < lm.first(2); ++node) {
        if (lm.word(node) != bos_) probabilities_[node] = made[at++];
      }
    } else if (order < N) {
      probabilities_.insert(probabilities_.end(), made.begin(), made.end());
    }
  }

  static std::array<double, 4> discounts_of(const std::array<std::uint64_t, 5>& having) {
    std::array<double, 4> d = {0, 0.5, 1, 1.5};
    if (!having[1] || !having[2] || !having[3] || !having[4]) return d;
    const double y = double(having[1]) / (double(having[1]) + 2.0 * double(having[2]));
    std::array<double, 4> found = {};
    for (std::size_t i = 1; i < 4; ++i) {
      found[i] = double(i) - double(i + 1) * y * double(having[i + 1]) / double(having[i]);
      if (!(found[i] > 0 && found[i] < double(i))) return d;
    }
    return found;
  }

  WordTable& words_;
  std::int32_t bos_, eos_, unk_;
  bool closed_;
  std::vector<Key> buffer_;
  std::vector<Run> runs_;
  std::vector<double> probabilities_;  // by node
};

template <std::size_t N = 1, class... Arguments>
std::unique_ptr<NgramCounter> counter(std::size_t order, Arguments&... arguments) {
  if (order == N) return std::make_unique<Counter<N>>(arguments...);
  if constexpr (N < kHighest) return counter<N + 1>(order, arguments...);
  fst_error("a model of order ", order, "; expected 1 to ", kHighest);
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

std::unique_ptr<NgramCounter> NgramCounter::make(std::size_t order, WordTable& words, std::int32_t bos,
                                                 std::int32_t eos, std::int32_t unk, bool closed) {
  return counter(order, words, bos, eos, unk, closed);
}

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
        builder.add(words, never || p <= 0 ? kNoProbability : static_cast<float>(std::log10(p)), 0);
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

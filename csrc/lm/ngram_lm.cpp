#include "lm/ngram_lm.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "fst/error.h"

namespace sonant {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

NgramLm::Node NgramLm::child(Node context, std::int32_t word) const {
  if (context == kRoot && !unigrams_.empty()) {
    return std::size_t(word) < unigrams_.size() ? unigrams_[word] : kRoot;
  }
  Node begin = begins_[context];
  std::size_t count = begins_[context + 1] - begin;
  if (count == 0) return kRoot;
  while (count > 1) {
    const std::size_t half = count / 2;
    begin += words_[begin + half] <= word ? half : 0;
    count -= half;
  }
  return words_[begin] == word ? begin : kRoot;
}

NgramLm::Node NgramLm::context(std::span<const std::int32_t> history) const {
  if (history.size() >= order()) history = history.last(order() ? order() - 1 : 0);
  for (; !history.empty(); history = history.subspan(1)) {
    Node node = kRoot;
    for (const std::int32_t word : history) {
      node = is_context(node) ? child(node, word) : kRoot;
      if (node == kRoot) break;
    }
    if (node != kRoot && is_context(node)) return node;
  }
  return kRoot;
}

double NgramLm::score(Node& context, std::int32_t word) const {
  double total = 0;
  while (true) {
    const Node found = child(context, word);
    if (found != kRoot) {
      total += logprobs_[found];
      Node next = found;
      while (!is_context(next)) {  // of the highest order: its longest end that is a context
        if (context == kRoot) {
          next = kRoot;
          break;
        }
        context = shorter_[context];
        const Node shorter = child(context, word);
        if (shorter != kRoot || context == kRoot) next = shorter;
      }
      context = next;
      return total;
    }
    if (context == kRoot) return kNever;
    total += backoffs_[context];
    context = shorter_[context];
  }
}

std::int32_t NgramLm::known(std::int32_t word) const {
  if (word >= 0 && child(kRoot, word) != kRoot) return word;
  return unk >= 0 && child(kRoot, unk) != kRoot ? unk : -1;
}

std::size_t NgramLm::bytes() const {
  return words_.capacity() * 4 + logprobs_.capacity() * 4 + backoffs_.capacity() * 4 + begins_.capacity() * 4 +
         shorter_.capacity() * 4 + unigrams_.capacity() * 4;
}

// ---- Building

NgramLm::Builder::Builder(NgramLm& lm) : lm_(lm), last_nodes_{kRoot} {
  lm_.levels_ = {0, 1};
  lm_.words_ = {-1};
  lm_.logprobs_ = {0};
  lm_.backoffs_ = {0};
}

NgramLm::Node NgramLm::Builder::find(std::span<const std::int32_t> words) {
  const auto [a, b] = std::mismatch(words.begin(), words.end(), last_words_.begin(), last_words_.end());
  std::size_t depth = a - words.begin();
  last_words_.resize(depth);
  last_nodes_.resize(depth + 1);
  for (; depth < words.size(); ++depth) {
    const Node node = lm_.child(last_nodes_[depth], words[depth]);
    if (node == kRoot) return node;
    last_words_.push_back(words[depth]);
    last_nodes_.push_back(node);
  }
  return last_nodes_[depth];
}

const char* NgramLm::Builder::add(std::span<const std::int32_t> words, float logprob, float backoff) {
  while (level_ < words.size()) close();
  Node parent = kRoot;
  if (words.size() > 1) {
    parent = find(words.first(words.size() - 1));
    if (parent == kRoot) return "its first words are no n-gram";
  }
  add_child(parent, words.back(), logprob, backoff);
  return nullptr;
}

void NgramLm::Builder::add_child(Node parent, std::int32_t word, float logprob, float backoff) {
  if (lm_.words_.size() >= std::numeric_limits<Node>::max() - 1) fst_error("more than 4294967294 n-grams");
  parents_.push_back(parent);
  lm_.words_.push_back(word);
  lm_.logprobs_.push_back(logprob);
  lm_.backoffs_.push_back(backoff);
}

void NgramLm::Builder::reserve(std::size_t count) {
  lm_.words_.reserve(lm_.words_.size() + count);
  lm_.logprobs_.reserve(lm_.logprobs_.size() + count);
  lm_.backoffs_.reserve(lm_.backoffs_.size() + count);
  parents_.reserve(parents_.size() + count);
}

// Sorts the order that was filled, and leads its parents to it.
void NgramLm::Builder::close() {
  const std::size_t base = lm_.levels_[level_], count = parents_.size();
  const auto key = [&](std::size_t i) {
    return std::uint64_t(parents_[i]) << 32 | std::uint32_t(lm_.words_[base + i]);
  };
  bool sorted = true;
  for (std::size_t i = 1; i < count && sorted; ++i) sorted = key(i - 1) < key(i);
  if (!sorted) {
    struct Entry {
      std::uint64_t key;
      float logprob, backoff;
      std::uint32_t at;
    };
    std::vector<Entry> entries(count);
    for (std::size_t i = 0; i < count; ++i) {
      entries[i] = {key(i), lm_.logprobs_[base + i], lm_.backoffs_[base + i], static_cast<std::uint32_t>(i)};
    }
    std::ranges::sort(entries, [](const Entry& a, const Entry& b) { return a.key != b.key ? a.key < b.key : a.at < b.at; });
    const auto same = std::ranges::unique(entries, {}, &Entry::key);
    duplicates_ += same.size();
    entries.erase(same.begin(), same.end());
    lm_.words_.resize(base + entries.size());
    lm_.logprobs_.resize(base + entries.size());
    lm_.backoffs_.resize(base + entries.size());
    parents_.resize(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      lm_.words_[base + i] = static_cast<std::int32_t>(entries[i].key);
      parents_[i] = static_cast<Node>(entries[i].key >> 32);
      lm_.logprobs_[base + i] = entries[i].logprob;
      lm_.backoffs_[base + i] = entries[i].backoff;
    }
  }
  const Node first_parent = lm_.levels_[level_ - 1], end_parent = lm_.levels_[level_];
  lm_.begins_.resize(std::size_t(end_parent) + 1);
  std::size_t at = 0;
  for (Node parent = first_parent; parent < end_parent; ++parent) {
    lm_.begins_[parent] = static_cast<Node>(base + at);
    while (at < parents_.size() && parents_[at] == parent) ++at;
  }
  lm_.begins_[end_parent] = static_cast<Node>(base + at);
  lm_.levels_.push_back(static_cast<Node>(lm_.words_.size()));
  if (level_ == 1) {
    const std::size_t most = 16 * lm_.words_.size() + 1024, highest = parents_.empty() ? 0 : lm_.words_.back() + 1;
    if (highest <= most) {
      lm_.unigrams_.assign(highest, kRoot);
      for (Node node = 1; node < lm_.words_.size(); ++node) lm_.unigrams_[lm_.words_[node]] = node;
    }
  }
  parents_.clear();
  last_words_.clear();
  last_nodes_.assign(1, kRoot);
  ++level_;
}

void NgramLm::Builder::finish(std::size_t order) {
  while (level_ <= std::max<std::size_t>(order, 1)) close();
  // Contexts have less than the highest order.
  lm_.backoffs_.resize(lm_.levels_[lm_.levels_.size() - 2]);
  lm_.words_.shrink_to_fit();
  lm_.logprobs_.shrink_to_fit();
  lm_.backoffs_.shrink_to_fit();
  lm_.link();
}

void NgramLm::link() {
  shorter_.assign(backoffs_.size(), kRoot);
  for (Node parent = 0; parent < backoffs_.size(); ++parent) {
    if (parent == kRoot) continue;
    for (Node node = begins_[parent]; node < begins_[parent + 1] && is_context(node); ++node) {
      Node context = parent, found = kRoot;
      while (context != kRoot && found == kRoot) {
        context = shorter_[context];
        found = child(context, words_[node]);
      }
      shorter_[node] = found;
    }
  }
}

// The probability that the shorter context gives to all words that do not follow this one.
double NgramLm::unseen_after(Node context) const {
  double sum = 0;
  for (Node node = first(1); node < first(2); ++node) {
    Node shorter = shorter_[context];
    if (child(context, words_[node]) == kRoot) sum += std::pow(10.0, score(shorter, words_[node]));
  }
  return sum;
}

void NgramLm::normalize() {
  for (Node context = 1; context < backoffs_.size(); ++context) {
    if (begins_[context] == begins_[context + 1]) {
      backoffs_[context] = 0;
      continue;
    }
    double left = 1, left_shorter = 1;
    for (Node node = begins_[context]; node < begins_[context + 1]; ++node) {
      left -= std::pow(10.0, double(logprobs_[node]));
      Node shorter = shorter_[context];
      left_shorter -= std::pow(10.0, score(shorter, words_[node]));
    }
    // Of a small rest most is rounding; where it would be made larger, it is summed up word by word.
    if (left > 10 * left_shorter) left_shorter = unseen_after(context);
    // A context that all words follow leaves nothing, but for rounding.
    constexpr double least = 1e-7;
    backoffs_[context] = static_cast<float>(std::log10(std::max(left, least) / std::max(left_shorter, least)));
  }
}

// ---- Files

namespace {

class LmSink : public ArpaSink {
 public:
  explicit LmSink(NgramLm& lm) : builder_(lm) {}
  void begin(std::span<const std::int64_t> counts) override { order_ = counts.size(); }
  const char* take(const ArpaNgram& ngram) override { return builder_.add(ngram.words, ngram.logprob, ngram.backoff); }
  void end() override { builder_.finish(order_); }
  std::size_t duplicates() const { return builder_.duplicates(); }

 private:
  NgramLm::Builder builder_;
  std::size_t order_ = 0;
};

void append(std::string& text, float value) {
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  text.append(digits, end);
}

}  // namespace

NgramLmFile read_ngram_lm(Input& in, WordTable* words, const ArpaOptions& options) {
  NgramLmFile file;
  LmSink sink(file.lm);
  file.warnings = read_arpa(in, words, options, sink);
  if (const std::size_t count = sink.duplicates()) {
    ++file.warnings.count;
    file.warnings.texts.push_back(in.name() + ": " + std::to_string(count) +
                                  " n-grams come twice; of each the first counts");
  }
  file.lm.bos = options.bos;
  file.lm.eos = options.eos;
  file.lm.unk = options.unk;
  return file;
}

void NgramLm::write_arpa(Output& out, const WordTable& words) const {
  const std::vector<std::string_view> names = words.by_key();
  const auto name = [&](std::int32_t word) -> std::string_view {
    if (std::size_t(word) >= names.size() || names[word].empty()) fst_error("the word ", word, " is not in the table");
    return names[word];
  };
  std::string text = "\\data\\\n";
  for (std::size_t n = 1; n <= order(); ++n) {
    text += "ngram " + std::to_string(n) + "=" + std::to_string(count(n)) + "\n";
  }
  std::vector<Node> path(order() + 1, kRoot);  // the node of the first i words
  for (std::size_t n = 1; n <= order(); ++n) {
    text += "\n\\" + std::to_string(n) + "-grams:\n";
    for (std::size_t i = 1; i < n; ++i) path[i] = first(i);
    for (Node node = first(n); node < first(n + 1); ++node) {
      path[n] = node;
      // Nodes of an order are sorted by their parents, so these only move on.
      for (std::size_t i = n; i-- > 1;) {
        while (children_end(path[i]) <= path[i + 1]) ++path[i];
      }
      append(text, logprobs_[node]);
      for (std::size_t i = 1; i <= n; ++i) {
        text += i == 1 ? '\t' : ' ';
        text += name(words_[path[i]]);
      }
      if (n < order() && backoffs_[node] != 0) {
        text += '\t';
        append(text, backoffs_[node]);
      }
      text += '\n';
      if (text.size() > (1 << 18)) {
        out.write(text);
        text.clear();
        if (Input::on_interrupt) Input::on_interrupt();
      }
    }
  }
  text += "\n\\end\\\n";
  out.write(text);
}

}  // namespace sonant

#include "lm/ngram_score.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "fst/lines.h"
#include "prefetch.h"

namespace sonant {

namespace {

constexpr std::size_t kBlock = 4096;  // tokens that are scored at once
constexpr std::size_t kAhead = 8;

}  // namespace

// False where it cannot be: two n-grams with one hash.
bool TextScorer::make_index() {
  const std::size_t order = lm_.order(), begin = lm_.first(2), end = lm_.first(order + 1);
  if ((end - begin) > 0xffffffff / 2) return false;
  slots_.assign((end - begin) * 2 + 16, Slot{0, kEmpty, 0});
  struct Pending {
    Slot slot;
    std::uint64_t suffix;
    Node parent;
    std::int32_t word;
  };
  std::vector<Pending> pending;
  bool unique = true;
  // The longest end of an n-gram of the highest order that is a context.
  const auto context_after = [&](const Pending& one) {
    if (const Slot& slot = slots_[find(one.suffix)]; slot.next != kEmpty) return slot.next;
    for (Node context = one.parent; context != NgramLm::kRoot;) {
      context = lm_.shorter(context);
      if (const Node node = lm_.child(context, one.word); node != NgramLm::kRoot) return node;
    }
    return NgramLm::kRoot;
  };
  const auto put = [&] {
    for (Pending& one : pending) {
      if (one.slot.next == kEmpty) one.slot.next = context_after(one);
      Slot& slot = slots_[find(one.slot.hash)];
      unique = unique && slot.next == kEmpty;
      slot = one.slot;
    }
    pending.clear();
  };
  std::vector<Node> path(order + 1, NgramLm::kRoot);
  for (std::size_t n = 2; n <= order && unique; ++n) {
    for (std::size_t i = 1; i < n; ++i) path[i] = lm_.first(i);
    for (Node node = lm_.first(n); node < lm_.first(n + 1); ++node) {
      path[n] = node;
      for (std::size_t i = n; i-- > 1;) {
        while (lm_.children_end(path[i]) <= path[i + 1]) ++path[i];
      }
      std::uint64_t hash = 0, suffix = 0;
      for (std::size_t i = n; i > 0; --i) {
        suffix = hash;
        hash = longer(hash, lm_.word(path[i]));
      }
      pending.push_back({{hash, n < order ? node : kEmpty, lm_.logprob(node)}, suffix, path[n - 1], lm_.word(node)});
      prefetch(&slots_[place(hash)]);
      if (n == order && n > 2) prefetch(&slots_[place(suffix)]);
      if (pending.size() == 32) put();
      if (node % (1 << 20) == 0 && Input::on_interrupt) Input::on_interrupt();
    }
    put();
  }
  if (!unique) {
    std::vector<Slot>().swap(slots_);
    return false;
  }
  contexts_.reserve(lm_.first(order));
  for (Node node = 0; node < lm_.first(order); ++node) contexts_.push_back({lm_.backoff(node), lm_.shorter(node)});
  return true;
}

// Once for each token, in their order, before its score is asked for.
void TextScorer::look_up(std::size_t token) {
  if (!indexed_) return;
  const std::size_t order = lm_.order();
  std::uint64_t hash = longer(0, tokens_[token].word);
  std::uint64_t* hashes = &hashes_[token * (order - 1)];
  for (std::size_t n = 2; n <= order && token >= n - 1 && !tokens_[token - n + 2].begins; ++n) {
    hash = longer(hash, tokens_[token - n + 1].word);
    hashes[n - 2] = hash;
    prefetch(&slots_[place(hash)]);
  }
}

double TextScorer::logprob(std::size_t token) {
  const std::uint64_t* hashes = &hashes_[token * (lm_.order() - 1)];
  double total = 0;
  for (; length_ > 0; length_ = length(context_, length_ - 1)) {
    const Slot& slot = slots_[find(hashes[length_ - 1])];
    if (slot.next != kEmpty) {
      context_ = slot.next;
      prefetch(&contexts_[context_]);
      length_ = length(context_, std::min(length_ + 1, lm_.order() - 1));
      return total + slot.logprob;
    }
    total += contexts_[context_].backoff;
    context_ = contexts_[context_].shorter;
  }
  context_ = tokens_[token].unigram;
  if (context_ == NgramLm::kRoot) return -std::numeric_limits<double>::infinity();
  length_ = 1;
  return total + lm_.logprob(context_);
}

void TextScorer::add(std::int32_t word, bool begins, bool known) {
  tokens_.push_back({word, word < 0 ? NgramLm::kRoot : lm_.child(NgramLm::kRoot, word), begins, known});
}

void TextScorer::score_tokens(TextScore& score) {
  const std::size_t order = lm_.order(), count = tokens_.size();
  scored_ += count - done_;
  // To put an n-gram in costs about a sixth of what it saves with each word.
  if (!indexed_ && order > 1 && !refused_ && scored_ > (lm_.first(order + 1) - lm_.first(2)) / 6) {
    indexed_ = make_index();
    refused_ = !indexed_;
    length_ = length(context_, order - 1);
  }
  hashes_.resize(indexed_ ? count * (order - 1) : 0);
  std::size_t ahead = done_;
  for (std::size_t i = done_; i < count; ++i) {
    for (; ahead < std::min(count, i + kAhead); ++ahead) look_up(ahead);
    const Token& token = tokens_[i];
    if (token.begins) {
      context_ = token.unigram != NgramLm::kRoot && lm_.is_context(token.unigram) ? token.unigram : NgramLm::kRoot;
      length_ = context_ == NgramLm::kRoot ? 0 : 1;
    } else if (token.word < 0) {
      context_ = NgramLm::kRoot;
      length_ = 0;
    } else {
      const double p = indexed_ ? logprob(i) : lm_.score(context_, token.word);
      score.logprob += p;
      if (token.known) score.logprob_known += p;
    }
  }
  done_ = std::min(count, order);
  tokens_.erase(tokens_.begin(), tokens_.end() - static_cast<std::ptrdiff_t>(done_));
}

TextScore TextScorer::score(Input& in, const WordTable& words) {
  Lines lines(in);
  TextScore score;
  tokens_.clear();
  done_ = 0;
  struct Word {
    std::string_view text;
    std::uint64_t hash;
  };
  std::vector<Word> found;  // of the line
  std::string_view line;
  while (lines.next(line)) {
    found.clear();
    each_word(line, [&](std::string_view word) {
      found.push_back({word, WordTable::hash(word)});
      words.prefetch(found.back().hash);
    });
    if (found.empty()) continue;
    ++score.sentences;
    add(lm_.bos, true, true);
    for (const auto& [text, hash] : found) {
      const std::int32_t word = words.find(text, hash);
      const std::int32_t known = lm_.known(word);
      const bool unknown = known != word || known == lm_.unk;
      ++score.words;
      score.unknown += unknown;
      add(known, false, !unknown);
      if (tokens_.size() >= kBlock) score_tokens(score);
    }
    add(lm_.eos, false, true);
    if (tokens_.size() >= kBlock) score_tokens(score);
  }
  score_tokens(score);
  return score;
}

}  // namespace sonant

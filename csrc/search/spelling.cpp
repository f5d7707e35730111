#include "search/spelling.h"

#include <algorithm>
#include <numeric>

#include "search/scores.h"

namespace sonant {

// The pronunciations sorted by their tokens are the trie in depth-first order; nodes are numbered level by level, so
// that the arcs of one lie side by side.
Spelling::Spelling(std::vector<std::string> words, const std::vector<Pronunciation>& pronunciations)
    : kind_(Kind::kLexicon), words_(std::move(words)) {
  if (pronunciations.empty()) throw SearchError("lexicon: found no words, expected one or more");
  std::vector<std::int32_t> order(pronunciations.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
    return pronunciations[a].tokens < pronunciations[b].tokens;
  });
  struct Range {
    std::int32_t begin, end;  // in `order`: pronunciations that begin as the node
  };
  std::vector<Range> nodes = {{0, static_cast<std::int32_t>(order.size())}}, level;
  arc_begins_.push_back(0);
  entry_begins_.push_back(0);
  std::int32_t count = 1;
  for (std::size_t depth = 0; !nodes.empty(); ++depth, nodes.swap(level)) {
    level.clear();
    for (auto [begin, end] : nodes) {
      for (; begin < end && pronunciations[order[begin]].tokens.size() == depth; ++begin) {
        const Pronunciation& one = pronunciations[order[begin]];
        entries_.push_back({one.word, static_cast<float>(one.log_prob)});
      }
      while (begin < end) {
        const std::int32_t token = pronunciations[order[begin]].tokens[depth];
        std::int32_t last = begin;
        while (last < end && pronunciations[order[last]].tokens[depth] == token) ++last;
        arcs_.push_back({token, count++});
        level.push_back({begin, last});
        begin = last;
      }
      arc_begins_.push_back(static_cast<std::int32_t>(arcs_.size()));
      entry_begins_.push_back(static_cast<std::int32_t>(entries_.size()));
    }
  }
  if (entry_begins_[1] > 0) {
    throw SearchError("lexicon: found the word '" + words_[entries_[0].word] +
                      "' without tokens, expected one or more");
  }
}

Spelling::Spelling(std::vector<std::string> words, std::vector<Token> tokens)
    : kind_(Kind::kText), words_(std::move(words)), tokens_(std::move(tokens)), spelled_(1, kUnknown) {
  for (std::size_t word = 0; word < words_.size(); ++word) {
    std::int32_t node = kRoot;
    for (const char byte : words_[word]) {
      const auto fresh = static_cast<std::int32_t>(spelled_.size());
      node = bytes_.put(static_cast<std::uint32_t>(node), static_cast<unsigned char>(byte), fresh);
      if (node == fresh) spelled_.push_back(kUnknown);
    }
    if (node != kRoot) spelled_[node] = static_cast<std::int32_t>(word);
  }
}

std::int32_t Spelling::next(std::int32_t node, std::int32_t token) const {
  const std::span<const Arc> from = arcs(node);
  const auto found = std::ranges::lower_bound(from, token, {}, &Arc::token);
  return found == from.end() || found->token != token ? kNowhere : found->next;
}

std::int32_t Spelling::walk(std::int32_t state, std::int32_t token) const {
  if (tokens_[token].begins) state = kRoot;
  for (const char byte : tokens_[token].text) {
    if (state == kNowhere) break;
    state = bytes_.find(static_cast<std::uint32_t>(state), static_cast<unsigned char>(byte));
  }
  return state;  // PairMap's kNone is kNowhere
}

}  // namespace sonant

#include "search/transducer.h"

#include <algorithm>
#include <functional>

namespace sonant {

TransducerSearch::TransducerSearch(std::int64_t context_size, std::int32_t blank)
    : context_size_(context_size), vocabulary_(blank) {
  if (context_size < 1) {
    throw SearchError("context_size: found " + std::to_string(context_size) + ", expected 1 or more");
  }
}

void TransducerSearch::check(const Scores& scores) {
  if (scores.rows != live()) {
    throw SearchError("scores have " + std::to_string(scores.rows) + " rows, expected " + std::to_string(live()) +
                      ": one for each live hypothesis, in the order of its contexts");
  }
  if (const std::int64_t bad = first_bad_score(scores); bad >= 0) {
    throw SearchError(bad_score_message("frame " + std::to_string(frame_) + ", hypothesis " +
                                            std::to_string(bad / scores.tokens) + ", token " +
                                            std::to_string(bad % scores.tokens),
                                        scores.data[bad]));
  }
  vocabulary_.expect(scores.tokens);
}

template <class Fusion>
TransducerGreedy<Fusion>::TransducerGreedy(std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols,
                                           Fusion fusion)
    : TransducerSearch(context_size, blank), fusion_(std::move(fusion)), context_(fusion_.start()),
      max_symbols_(max_symbols) {
  if (max_symbols < 1) {
    throw SearchError("max_symbols: found " + std::to_string(max_symbols) + ", expected 1 or more");
  }
}

template <class Fusion>
void TransducerGreedy<Fusion>::write_contexts(std::int64_t* out) const {
  const auto known = static_cast<std::int64_t>(so_far_.tokens.size());
  for (std::int64_t i = 0; i < context_size_; ++i) {
    const std::int64_t from = known - context_size_ + i;
    out[i] = from < 0 ? vocabulary_.blank() : so_far_.tokens[static_cast<std::size_t>(from)];
  }
}

template <class Fusion>
void TransducerGreedy<Fusion>::check(const Scores& scores) {
  if (vocabulary_.size() == 0) fusion_.expect(scores.tokens, vocabulary_.blank());
  TransducerSearch::check(scores);
}

template <class Fusion>
void TransducerGreedy<Fusion>::set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) {
  fusion_.set_hot_words(tokens, words, vocabulary_.size(), vocabulary_.blank());
  if constexpr (!Fusion::kNone) fusion_.rejoin(context_, so_far_.tokens, choices_);
}

// Of equal ones the lowest, but with fusion blank before all and a token before one that is less probable.
template <class Fusion>
auto TransducerGreedy<Fusion>::find_best(const float* row) -> Best {
  const auto size = static_cast<std::int32_t>(vocabulary_.size());
  const std::int32_t blank = vocabulary_.blank();
  if constexpr (Fusion::kNone) {
    const auto token = static_cast<std::int32_t>(std::max_element(row, row + size) - row);
    return {token, Spelling::kNoWord, row[token]};
  }
  Best best{blank, Spelling::kNoWord, row[blank] + fusion_.rank(context_)};
  const double most = fusion_.base(context_) + fusion_.most();
  tokens_.clear();
  for (std::int32_t token = 0; token < size; ++token) {
    if (token != blank && most + row[token] > best.score) tokens_.push_back(token);
  }
  std::stable_sort(tokens_.begin(), tokens_.end(), [row](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
  fusion_.each(
      context_, tokens_, [&](std::int32_t token) { return most + row[token] > best.score; },
      [&](std::int32_t token, std::int32_t choice, double rank) {
        if (row[token] + rank > best.score) best = {token, choice, row[token] + rank};
      });
  return best;
}

template <class Fusion>
bool TransducerGreedy<Fusion>::advance(const Scores& scores) {
  const float* row = scores.row(0);
  auto [token, choice, score] = find_best(row);
  const float log_prob = row[token];
  if (log_prob == -std::numeric_limits<float>::infinity()) token = vocabulary_.blank();  // no token at all
  so_far_.score += log_prob;
  if (token != vocabulary_.blank()) {
    so_far_.append(token, frame_, frame_ + 1, log_prob);
    if constexpr (!Fusion::kNone) {
      choices_.push_back(choice);
      context_ = fusion_.grow(context_, token, choice);
    }
    if (++symbols_ < max_symbols_) return false;
  }
  symbols_ = 0;
  ++frame_;
  return true;
}

template <class Fusion>
std::vector<Hypothesis> TransducerGreedy<Fusion>::hypotheses(std::int64_t, std::int32_t start, bool final) {
  Hypothesis result = so_far_.from(start);
  if constexpr (!Fusion::kNone) {
    const auto ending = fusion_.end(context_, final);
    result.score += ending.score;
    result.lm = ending.lm;
    result.complete = ending.complete;
    std::size_t from = std::min(static_cast<std::size_t>(start), so_far_.tokens.size());
    const std::size_t skipped = from;
    while (from > 0 && !(from < so_far_.tokens.size() && fusion_.is_beginning(so_far_.tokens[from]))) --from;
    const std::span<const std::int32_t> tokens = so_far_.tokens, choices = choices_;
    fusion_.write_words(tokens.subspan(from), choices.subspan(from), static_cast<std::int32_t>(skipped - from), final,
                        result);
  }
  return {result};
}

template <class Fusion>
TransducerBeam<Fusion>::TransducerBeam(std::int64_t beam, std::int64_t context_size, std::int32_t blank,
                               std::int32_t settle_after, Fusion fusion)
    : TransducerSearch(context_size, blank), fusion_(std::move(fusion)), settle_after_(settle_after),
      beam_(beam, {Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, Traces::kNone, fusion_.start()}) {}

template <class Fusion>
void TransducerBeam<Fusion>::check(const Scores& scores) {
  if (vocabulary_.size() == 0) fusion_.expect(scores.tokens, vocabulary_.blank());
  TransducerSearch::check(scores);
}

template <class Fusion>
void TransducerBeam<Fusion>::set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) {
  fusion_.set_hot_words(tokens, words, vocabulary_.size(), vocabulary_.blank());
  if constexpr (!Fusion::kNone) beam_.rejoin(fusion_);
}

template <class Fusion>
void TransducerBeam<Fusion>::write_contexts(std::int64_t* out) const {
  for (const Live& here : beam_.live) {
    std::int32_t node = here.node;
    for (std::int64_t i = context_size_; i-- > 0;) {
      out[i] = node == Prefixes::kRoot ? vocabulary_.blank() : beam_.prefixes.token(node);
      if (node != Prefixes::kRoot) node = beam_.prefixes.parent(node);
    }
    out += context_size_;
  }
}

template <class Fusion>
bool TransducerBeam<Fusion>::advance(const Scores& scores) {
  find_candidates(scores);
  const std::span<const Candidate> best = beam_.candidates.best();
  if (best.empty()) {  // only where no hypothesis can go on: pass over the frame, and say so in the score
    beam_.impossible = true;
  } else {
    beam_.next.clear();
    for (const Candidate& candidate : best) {
      beam_.next.push_back(candidate.token == Candidate::kStay ? stay(candidate, scores) : grow(candidate, scores));
    }
    beam_.turn();
  }
  ++frame_;
  if (settle_after_ > 0 && frame_ % settle_after_ == 0) beam_.settle(frame_ - settle_after_);
  return true;
}

// As in the CTC prefix beam: what grows into a prefix that is live already is summed with its staying, so every
// candidate is a different prefix with its whole sum.
template <class Fusion>
void TransducerBeam<Fusion>::find_candidates(const Scores& scores) {
  beam_.candidates.clear();
  const std::int32_t blank = vocabulary_.blank();
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    double total = here.total + scores.row(i)[blank];
    if (const std::int32_t parent = beam_.prefixes.live(beam_.prefixes.parent(here.node)); parent != Prefixes::kNone) {
      total = log_add(total, beam_.live[parent].total + scores.row(parent)[here.token]);
    }
    if (total > kImpossible) {
      beam_.candidates.push({total + fusion_.rank(here.context), static_cast<std::int32_t>(i), Candidate::kStay,
                             Spelling::kNoWord, here.node});
    }
  }
  beam_.candidates.prune();
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    const float* row = scores.row(i);
    const auto push = [&](std::int32_t token, std::int32_t choice, double rank) {
      const double score = here.total + row[token] + rank;
      if (!(score > beam_.candidates.threshold())) return;
      const std::int32_t node = beam_.prefixes.find_child(here.node, token, choice);
      if (beam_.prefixes.live(node) == Prefixes::kNone) {
        beam_.candidates.push({score, static_cast<std::int32_t>(i), token, choice, node});
      }
    };
    const double most = here.total + fusion_.base(here.context) + fusion_.most();
    const auto worth = [&](std::int32_t token) { return most + row[token] > beam_.candidates.threshold(); };
    tokens_.clear();
    for (std::int32_t token = 0; token < static_cast<std::int32_t>(scores.tokens); ++token) {
      if (!worth(token) || token == blank) continue;
      if constexpr (Fusion::kNone) {
        push(token, Spelling::kNoWord, 0.0);
      } else {
        tokens_.push_back(token);
      }
    }
    if constexpr (!Fusion::kNone) {
      std::ranges::stable_sort(tokens_, std::greater{}, [row](std::int32_t token) { return row[token]; });
      fusion_.each(here.context, tokens_, worth, push);
    }
  }
}

template <class Fusion>
auto TransducerBeam<Fusion>::stay(const Candidate& candidate, const Scores& scores) -> Live {
  const Live& here = beam_.live[candidate.source];
  double total = here.total + scores.row(candidate.source)[vocabulary_.blank()];
  const double stayed = here.best + scores.row(candidate.source)[vocabulary_.blank()];
  if (const std::int32_t parent = beam_.prefixes.live(beam_.prefixes.parent(here.node)); parent != Prefixes::kNone) {
    const float log_prob = scores.row(parent)[here.token];
    const double begun = beam_.live[parent].best + log_prob;
    total = log_add(total, beam_.live[parent].total + log_prob);
    if (begun > stayed) {
      return {here.node, here.token, total, begun,
              beam_.traces.add(beam_.live[parent].times, frame_, frame_ + 1, log_prob), here.context};
    }
  }
  return {here.node, here.token, total, stayed, beam_.traces.retain(here.times), here.context};
}

template <class Fusion>
auto TransducerBeam<Fusion>::grow(const Candidate& candidate, const Scores& scores) -> Live {
  const Live& from = beam_.live[candidate.source];
  const float log_prob = scores.row(candidate.source)[candidate.token];
  const double total = from.total + log_prob;
  const std::int32_t node = candidate.node != Prefixes::kNone
                                ? candidate.node
                                : beam_.prefixes.add_child(from.node, candidate.token, candidate.choice);
  return {node,
          candidate.token,
          total,
          from.best + log_prob,
          beam_.traces.add(from.times, frame_, frame_ + 1, log_prob),
          fusion_.grow(from.context, candidate.token, candidate.choice)};
}

template class TransducerGreedy<NoFusion>;
template class TransducerGreedy<Fusion>;
template class TransducerBeam<NoFusion>;
template class TransducerBeam<Fusion>;

}  // namespace sonant

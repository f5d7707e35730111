#include <algorithm>

#include "search/ctc.h"

namespace sonant {

template <class Fusion>
CtcPrefixBeam<Fusion>::CtcPrefixBeam(std::int64_t beam, std::int32_t blank, std::int32_t settle_after, Fusion fusion)
    : vocabulary_(blank), fusion_(std::move(fusion)), width_(static_cast<std::size_t>(beam)),
      settle_after_(settle_after),
      beam_(beam, {Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, kImpossible, 0.0, kImpossible, Traces::kNone,
                   Traces::kNone, fusion_.start()}) {}

template <class Fusion>
void CtcPrefixBeam<Fusion>::set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) {
  fusion_.set_hot_words(tokens, words, vocabulary_.size(), vocabulary_.blank());
  if constexpr (!Fusion::kNone) beam_.rejoin(fusion_);
}

template <class Fusion>
void CtcPrefixBeam<Fusion>::advance(const Scores& scores) {
  if (silence_.empty()) fusion_.expect(scores.tokens, vocabulary_.blank());
  check_ctc_scores(scores, vocabulary_, frame_);
  if (silence_.empty()) {
    child_.resize(scores.tokens);
    child_mark_.resize(scores.tokens, 0);
    silence_.assign(scores.tokens, -std::numeric_limits<float>::infinity());
    silence_[vocabulary_.blank()] = 0.0f;
  }
  for (std::int64_t t = 0; t < scores.rows; ++t) advance_frame(scores.row(t));
}

template <class Fusion>
void CtcPrefixBeam<Fusion>::advance_frame(const float* row) {
  find_candidates(row);
  std::span<const Candidate> best = beam_.candidates.best();
  if (best.empty()) {  // only where the whole row is -inf: pass over it as over a blank, and say so in the score
    beam_.impossible = true;
    row = silence_.data();
    find_candidates(row);
    best = beam_.candidates.best();
  }
  beam_.next.clear();
  for (const Candidate& candidate : best) {
    beam_.next.push_back(candidate.token == Candidate::kStay ? stay(candidate, row) : grow(candidate, row));
  }
  beam_.turn();
  ++frame_;
  if (settle_after_ > 0 && frame_ % settle_after_ == 0) beam_.settle(frame_ - settle_after_);
}

// A prefix is reached by staying (blank, or its last token again), by growing out of its parent, or by both. What
// grows into a prefix that is live already is summed here, so every candidate is a different prefix with its whole sum.
template <class Fusion>
void CtcPrefixBeam<Fusion>::find_candidates(const float* row) {
  beam_.candidates.clear();
  stays_.clear();
  const double blank = row[vocabulary_.blank()];
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    Stay stay{kImpossible, here.total + blank, kImpossible};
    if (here.node != Prefixes::kRoot) {
      stay.nonblank = here.nonblank + row[here.token];
      if (const Live* from = beam_.parent(here)) {
        stay.nonblank =
            log_add(stay.nonblank, (from->token == here.token ? from->blank : from->total) + row[here.token]);
      }
    }
    stay.total = log_add(stay.blank, stay.nonblank);
    stays_.push_back(stay);
    if (stay.total > kImpossible) {
      beam_.candidates.push({stay.total + fusion_.rank(here.context), static_cast<std::int32_t>(i), Candidate::kStay,
                             Spelling::kNoWord, here.node});
    }
  }
  beam_.candidates.prune();

  find_promising_tokens(row);
  if (promising_.empty()) return;
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    // Tokens come best first, and without fusion so do prefixes: once the best left is too bad, so is all the rest.
    const double most = here.total + fusion_.base(here.context) + fusion_.most();
    const auto worth = [&](std::int32_t token) { return most + row[token] > beam_.candidates.threshold(); };
    if (!worth(promising_.front())) {
      if constexpr (Fusion::kNone) break;
      continue;
    }
    ++mark_;
    for (std::int32_t node = beam_.prefixes.first_child(here.node); node != Prefixes::kNone;
         node = beam_.prefixes.sibling(node)) {
      child_[beam_.prefixes.token(node)] = node;
      child_mark_[beam_.prefixes.token(node)] = mark_;
    }
    fusion_.each(here.context, promising_, worth, [&](std::int32_t token, std::int32_t choice, double rank) {
      // The same token again needs a blank in between.
      const double score = (token == here.token ? here.blank : here.total) + row[token] + rank;
      if (!(score > beam_.candidates.threshold())) return;
      const std::int32_t node = child(here.node, token, choice);
      if (beam_.prefixes.live(node) == Prefixes::kNone) {
        beam_.candidates.push({score, static_cast<std::int32_t>(i), token, choice, node});
      }
    });
  }
}

// The child of the prefix at hand, or kNone.
template <class Fusion>
std::int32_t CtcPrefixBeam<Fusion>::child(std::int32_t node, std::int32_t token, std::int32_t choice) const {
  if (child_mark_[token] != mark_) return Prefixes::kNone;
  if (Fusion::kNone || beam_.prefixes.choice(child_[token]) == choice) return child_[token];
  return beam_.prefixes.find_child(node, token, choice);
}

// Tokens that could bring the best prefix into the beam, best first, blank left out. Without fusion more than beam + 1
// are never needed: each prefix has with the first beam + 1 at least `beam` candidates as good, its own last token not
// counted.
template <class Fusion>
void CtcPrefixBeam<Fusion>::find_promising_tokens(const float* row) {
  double best = beam_.live.front().total;
  if constexpr (!Fusion::kNone) {
    best = kImpossible;
    for (const Live& here : beam_.live) best = std::max(best, here.total + fusion_.base(here.context));
    best += fusion_.most();
  }
  const double threshold = beam_.candidates.threshold();
  promising_.resize(vocabulary_.size());
  std::size_t count = 0;
  for (std::int32_t token = 0; token < static_cast<std::int32_t>(vocabulary_.size()); ++token) {
    promising_[count] = token;
    count += best + row[token] > threshold && token != vocabulary_.blank();
  }
  promising_.resize(count);
  const auto first = [row](std::int32_t a, std::int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; };
  if (Fusion::kNone && count > width_ + 1) {
    std::nth_element(promising_.begin(), promising_.begin() + static_cast<std::ptrdiff_t>(width_), promising_.end(),
                     first);
    promising_.resize(width_ + 1);
  }
  std::sort(promising_.begin(), promising_.end(), first);
}

template <class Fusion>
auto CtcPrefixBeam<Fusion>::stay(const Candidate& candidate, const float* row) -> Live {
  const Live& here = beam_.live[candidate.source];
  const Stay& sums = stays_[candidate.source];
  Live next = here;
  next.total = sums.total;
  next.blank = sums.blank;
  next.nonblank = sums.nonblank;
  next.best_blank = here.best() + row[vocabulary_.blank()];
  next.best_nonblank = kImpossible;
  next.trace_nonblank = Traces::kNone;
  next.trace_blank = beam_.traces.retain(here.trace());
  if (!(sums.nonblank > kImpossible)) return next;

  const float log_prob = row[here.token];
  const double longer = here.best_nonblank + log_prob;
  double begun = kImpossible;
  std::int32_t before = Traces::kNone;
  if (const Live* from = beam_.parent(here)) {
    const bool repeated = from->token == here.token;
    begun = (repeated ? from->best_blank : from->best()) + log_prob;
    before = repeated ? from->trace_blank : from->trace();
  }
  next.best_nonblank = std::max(longer, begun);
  if (longer >= begun) {
    const Traces::Link run = beam_.traces[here.trace_nonblank];
    next.trace_nonblank = beam_.traces.add(run.previous, run.frame, frame_ + 1, std::max(run.log_prob, log_prob));
  } else {
    next.trace_nonblank = beam_.traces.add(before, frame_, frame_ + 1, log_prob);
  }
  return next;
}

template <class Fusion>
auto CtcPrefixBeam<Fusion>::grow(const Candidate& candidate, const float* row) -> Live {
  const Live& from = beam_.live[candidate.source];
  const bool repeated = from.token == candidate.token;
  const float log_prob = row[candidate.token];
  const double total = (repeated ? from.blank : from.total) + log_prob;
  const std::int32_t node = candidate.node != Prefixes::kNone
                                ? candidate.node
                                : beam_.prefixes.add_child(from.node, candidate.token, candidate.choice);
  const std::int32_t trace =
      beam_.traces.add(repeated ? from.trace_blank : from.trace(), frame_, frame_ + 1, log_prob);
  return {node,
          candidate.token,
          total,
          kImpossible,
          total,
          kImpossible,
          (repeated ? from.best_blank : from.best()) + log_prob,
          Traces::kNone,
          trace,
          fusion_.grow(from.context, candidate.token, candidate.choice)};
}

template class CtcPrefixBeam<NoFusion>;
template class CtcPrefixBeam<Fusion>;

}  // namespace sonant

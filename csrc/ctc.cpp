#include "ctc.h"

#include <algorithm>

namespace sonant {

namespace {

void check(const Scores& scores, Vocabulary& vocabulary, std::int32_t frame) {
  if (const std::int64_t bad = first_bad_score(scores); bad >= 0) {
    const std::int64_t at = frame + bad / scores.tokens;
    throw SearchError(bad_score_message(
        "frame " + std::to_string(at) + ", token " + std::to_string(bad % scores.tokens), scores.data[bad]));
  }
  vocabulary.expect(scores.tokens);
}

}  // namespace

CtcGreedy::CtcGreedy(std::int32_t blank) : vocabulary_(blank), last_(blank) {}

void CtcGreedy::advance(const Scores& scores) {
  check(scores, vocabulary_, frame_);
  const std::int32_t blank = vocabulary_.blank();
  for (std::int64_t t = 0; t < scores.rows; ++t, ++frame_) {
    const float* row = scores.row(t);
    auto token = static_cast<std::int32_t>(std::max_element(row, row + scores.tokens) - row);
    const float log_prob = row[token];
    if (log_prob == -std::numeric_limits<float>::infinity()) token = blank;  // no token at all: pass over it
    if (token != blank && token == last_) {
      so_far_.end_frames.back() = frame_ + 1;
      so_far_.log_probs.back() = std::max(so_far_.log_probs.back(), std::min(log_prob, 0.0f));
    } else if (token != blank) {
      so_far_.append(token, frame_, frame_ + 1, log_prob);
    }
    so_far_.score += log_prob;
    last_ = token;
  }
}

std::vector<Hypothesis> CtcGreedy::hypotheses(std::int64_t, std::int32_t start) const {
  return {so_far_.from(start)};
}

CtcPrefixBeam::CtcPrefixBeam(std::int64_t beam, std::int32_t blank, std::int32_t settle_after)
    : vocabulary_(blank), width_(static_cast<std::size_t>(beam)), settle_after_(settle_after),
      beam_(beam, {Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, kImpossible, 0.0, kImpossible, Traces::kNone,
                   Traces::kNone}) {}

void CtcPrefixBeam::advance(const Scores& scores) {
  check(scores, vocabulary_, frame_);
  if (silence_.empty()) {
    child_.resize(scores.tokens);
    child_mark_.resize(scores.tokens, 0);
    silence_.assign(scores.tokens, -std::numeric_limits<float>::infinity());
    silence_[vocabulary_.blank()] = 0.0f;
  }
  for (std::int64_t t = 0; t < scores.rows; ++t) advance_frame(scores.row(t));
}

void CtcPrefixBeam::advance_frame(const float* row) {
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
void CtcPrefixBeam::find_candidates(const float* row) {
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
      beam_.candidates.push({stay.total, static_cast<std::int32_t>(i), Candidate::kStay, here.node});
    }
  }
  beam_.candidates.prune();

  find_promising_tokens(row);
  if (promising_.empty()) return;
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    // Prefixes and tokens both come best first: once the best left is too bad, so is all the rest.
    if (!(here.total + row[promising_.front()] > beam_.candidates.threshold())) break;
    ++mark_;
    for (std::int32_t node = beam_.prefixes.first_child(here.node); node != Prefixes::kNone;
         node = beam_.prefixes.sibling(node)) {
      child_[beam_.prefixes.token(node)] = node;
      child_mark_[beam_.prefixes.token(node)] = mark_;
    }
    for (const std::int32_t token : promising_) {
      double score = here.total + row[token];
      if (!(score > beam_.candidates.threshold())) break;
      if (token == here.token) {  // the same token again needs a blank in between
        score = here.blank + row[token];
        if (!(score > beam_.candidates.threshold())) continue;
      }
      const std::int32_t node = child_mark_[token] == mark_ ? child_[token] : Prefixes::kNone;
      if (beam_.prefixes.live(node) == Prefixes::kNone) {
        beam_.candidates.push({score, static_cast<std::int32_t>(i), token, node});
      }
    }
  }
}

// Tokens that could bring the best prefix into the beam, best first, blank left out. More than beam + 1 are never
// needed: each prefix has with the first beam + 1 at least `beam` candidates as good, its own last token not counted.
void CtcPrefixBeam::find_promising_tokens(const float* row) {
  const double best = beam_.live.front().total, threshold = beam_.candidates.threshold();
  promising_.resize(vocabulary_.size());
  std::size_t count = 0;
  for (std::int32_t token = 0; token < static_cast<std::int32_t>(vocabulary_.size()); ++token) {
    promising_[count] = token;
    count += best + row[token] > threshold && token != vocabulary_.blank();
  }
  promising_.resize(count);
  const auto first = [row](std::int32_t a, std::int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; };
  if (count > width_ + 1) {
    std::nth_element(promising_.begin(), promising_.begin() + static_cast<std::ptrdiff_t>(width_), promising_.end(),
                     first);
    promising_.resize(width_ + 1);
  }
  std::sort(promising_.begin(), promising_.end(), first);
}

CtcPrefixBeam::Live CtcPrefixBeam::stay(const Candidate& candidate, const float* row) {
  const Live& here = beam_.live[candidate.source];
  const Stay& sums = stays_[candidate.source];
  Live next{here.node,  here.token,    sums.total,    sums.blank, sums.nonblank, here.best() + row[vocabulary_.blank()],
            kImpossible, Traces::kNone, Traces::kNone};
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

CtcPrefixBeam::Live CtcPrefixBeam::grow(const Candidate& candidate, const float* row) {
  const Live& from = beam_.live[candidate.source];
  const bool repeated = from.token == candidate.token;
  const float log_prob = row[candidate.token];
  const std::int32_t node =
      candidate.node != Prefixes::kNone ? candidate.node : beam_.prefixes.add_child(from.node, candidate.token);
  const std::int32_t trace =
      beam_.traces.add(repeated ? from.trace_blank : from.trace(), frame_, frame_ + 1, log_prob);
  return {node,          candidate.token, candidate.score,
          kImpossible,   candidate.score, kImpossible,
          (repeated ? from.best_blank : from.best()) + log_prob, Traces::kNone, trace};
}

}  // namespace sonant

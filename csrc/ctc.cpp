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

CtcPrefixBeam::CtcPrefixBeam(std::int64_t beam, std::int32_t blank)
    : vocabulary_(blank), beam_(static_cast<std::size_t>(beam)), candidates_(beam) {
  prefixes_.set_live(Prefixes::kRoot, 0);
  live_.push_back({Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, kImpossible, 0.0, kImpossible, Traces::kNone,
                   Traces::kNone});
}

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
  std::span<const Candidate> best = candidates_.best();
  if (best.empty()) {  // only where the whole row is -inf: pass over it as over a blank, and say so in the score
    impossible_ = true;
    row = silence_.data();
    find_candidates(row);
    best = candidates_.best();
  }
  next_.clear();
  for (const Candidate& candidate : best) {
    next_.push_back(candidate.token == Candidate::kStay ? stay(candidate, row) : grow(candidate, row));
  }
  for (const Live& old : live_) {
    traces_.release(old.trace_blank);
    traces_.release(old.trace_nonblank);
    prefixes_.set_live(old.node, Prefixes::kNone);
  }
  for (std::size_t i = 0; i < next_.size(); ++i) prefixes_.set_live(next_[i].node, static_cast<std::int32_t>(i));
  for (const Live& old : live_) prefixes_.release(old.node);
  live_.swap(next_);
  ++frame_;
}

// A prefix is reached by staying (blank, or its last token again), by growing out of its parent, or by both. What
// grows into a prefix that is live already is summed here, so every candidate is a different prefix with its whole sum.
void CtcPrefixBeam::find_candidates(const float* row) {
  candidates_.clear();
  stays_.clear();
  const double blank = row[vocabulary_.blank()];
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const Live& here = live_[i];
    Stay stay{kImpossible, here.total + blank, kImpossible};
    if (here.node != Prefixes::kRoot) {
      stay.nonblank = here.nonblank + row[here.token];
      if (const std::int32_t parent = prefixes_.live(prefixes_.parent(here.node)); parent != Prefixes::kNone) {
        const Live& from = live_[parent];
        stay.nonblank =
            log_add(stay.nonblank, (from.token == here.token ? from.blank : from.total) + row[here.token]);
      }
    }
    stay.total = log_add(stay.blank, stay.nonblank);
    stays_.push_back(stay);
    if (stay.total > kImpossible) {
      candidates_.push({stay.total, static_cast<std::int32_t>(i), Candidate::kStay, here.node});
    }
  }
  candidates_.prune();

  find_promising_tokens(row);
  if (promising_.empty()) return;
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const Live& here = live_[i];
    // Prefixes and tokens both come best first: once the best left is too bad, so is all the rest.
    if (!(here.total + row[promising_.front()] > candidates_.threshold())) break;
    ++mark_;
    for (std::int32_t node = prefixes_.first_child(here.node); node != Prefixes::kNone;
         node = prefixes_.sibling(node)) {
      child_[prefixes_.token(node)] = node;
      child_mark_[prefixes_.token(node)] = mark_;
    }
    for (const std::int32_t token : promising_) {
      double score = here.total + row[token];
      if (!(score > candidates_.threshold())) break;
      if (token == here.token) {  // the same token again needs a blank in between
        score = here.blank + row[token];
        if (!(score > candidates_.threshold())) continue;
      }
      const std::int32_t node = child_mark_[token] == mark_ ? child_[token] : Prefixes::kNone;
      if (prefixes_.live(node) == Prefixes::kNone) {
        candidates_.push({score, static_cast<std::int32_t>(i), token, node});
      }
    }
  }
}

// Tokens that could bring the best prefix into the beam, best first, blank left out. More than beam + 1 are never
// needed: each prefix has with the first beam + 1 at least `beam` candidates as good, its own last token not counted.
void CtcPrefixBeam::find_promising_tokens(const float* row) {
  const double best = live_.front().total, threshold = candidates_.threshold();
  promising_.resize(vocabulary_.size());
  std::size_t count = 0;
  for (std::int32_t token = 0; token < static_cast<std::int32_t>(vocabulary_.size()); ++token) {
    promising_[count] = token;
    count += best + row[token] > threshold && token != vocabulary_.blank();
  }
  promising_.resize(count);
  const auto first = [row](std::int32_t a, std::int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; };
  if (count > beam_ + 1) {
    std::nth_element(promising_.begin(), promising_.begin() + static_cast<std::ptrdiff_t>(beam_), promising_.end(),
                     first);
    promising_.resize(beam_ + 1);
  }
  std::sort(promising_.begin(), promising_.end(), first);
}

CtcPrefixBeam::Live CtcPrefixBeam::stay(const Candidate& candidate, const float* row) {
  const Live& here = live_[candidate.source];
  const Stay& sums = stays_[candidate.source];
  Live next{here.node,  here.token,    sums.total,    sums.blank, sums.nonblank, here.best() + row[vocabulary_.blank()],
            kImpossible, Traces::kNone, Traces::kNone};
  next.trace_blank = traces_.retain(here.trace());
  if (!(sums.nonblank > kImpossible)) return next;

  const float log_prob = row[here.token];
  const double longer = here.best_nonblank + log_prob;
  double begun = kImpossible;
  std::int32_t before = Traces::kNone;
  if (const std::int32_t parent = prefixes_.live(prefixes_.parent(here.node)); parent != Prefixes::kNone) {
    const Live& from = live_[parent];
    const bool repeated = from.token == here.token;
    begun = (repeated ? from.best_blank : from.best()) + log_prob;
    before = repeated ? from.trace_blank : from.trace();
  }
  next.best_nonblank = std::max(longer, begun);
  if (longer >= begun) {
    const Traces::Link run = traces_[here.trace_nonblank];
    next.trace_nonblank = traces_.add(run.previous, run.frame, frame_ + 1, std::max(run.log_prob, log_prob));
  } else {
    next.trace_nonblank = traces_.add(before, frame_, frame_ + 1, log_prob);
  }
  return next;
}

CtcPrefixBeam::Live CtcPrefixBeam::grow(const Candidate& candidate, const float* row) {
  const Live& from = live_[candidate.source];
  const bool repeated = from.token == candidate.token;
  const float log_prob = row[candidate.token];
  const std::int32_t node =
      candidate.node != Prefixes::kNone ? candidate.node : prefixes_.add_child(from.node, candidate.token);
  const std::int32_t trace =
      traces_.add(repeated ? from.trace_blank : from.trace(), frame_, frame_ + 1, log_prob);
  return {node,          candidate.token, candidate.score,
          kImpossible,   candidate.score, kImpossible,
          (repeated ? from.best_blank : from.best()) + log_prob, Traces::kNone, trace};
}

std::vector<Hypothesis> CtcPrefixBeam::hypotheses(std::int64_t nbest, std::int32_t start) const {
  const std::size_t count = std::min(live_.size(), static_cast<std::size_t>(nbest));
  std::vector<Hypothesis> result;
  for (std::size_t i = 0; i < count; ++i) {
    const Live& here = live_[i];
    result.push_back(read_hypothesis(prefixes_, traces_, here.node, here.trace(),
                                     impossible_ ? kImpossible : here.total, start));
  }
  return result;
}

std::int64_t CtcPrefixBeam::stable() const {
  std::int32_t shared = live_.front().node;
  for (const Live& here : live_) shared = prefixes_.common_ancestor(shared, here.node);
  return prefixes_.depth(shared);
}

}  // namespace sonant

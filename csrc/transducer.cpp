#include "transducer.h"

#include <algorithm>

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

TransducerGreedy::TransducerGreedy(std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols)
    : TransducerSearch(context_size, blank), max_symbols_(max_symbols) {
  if (max_symbols < 1) {
    throw SearchError("max_symbols: found " + std::to_string(max_symbols) + ", expected 1 or more");
  }
}

void TransducerGreedy::write_contexts(std::int64_t* out) const {
  const auto known = static_cast<std::int64_t>(so_far_.tokens.size());
  for (std::int64_t i = 0; i < context_size_; ++i) {
    const std::int64_t from = known - context_size_ + i;
    out[i] = from < 0 ? vocabulary_.blank() : so_far_.tokens[static_cast<std::size_t>(from)];
  }
}

bool TransducerGreedy::advance(const Scores& scores) {
  const float* row = scores.row(0);
  auto token = static_cast<std::int32_t>(std::max_element(row, row + scores.tokens) - row);
  const float log_prob = row[token];
  if (log_prob == -std::numeric_limits<float>::infinity()) token = vocabulary_.blank();  // no token at all
  so_far_.score += log_prob;
  if (token != vocabulary_.blank()) {
    so_far_.append(token, frame_, frame_ + 1, log_prob);
    if (++symbols_ < max_symbols_) return false;
  }
  symbols_ = 0;
  ++frame_;
  return true;
}

std::vector<Hypothesis> TransducerGreedy::hypotheses(std::int64_t, std::int32_t start) const {
  return {so_far_.from(start)};
}

TransducerBeam::TransducerBeam(std::int64_t beam, std::int64_t context_size, std::int32_t blank)
    : TransducerSearch(context_size, blank), candidates_(beam) {
  prefixes_.set_live(Prefixes::kRoot, 0);
  live_.push_back({Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, Traces::kNone});
}

void TransducerBeam::write_contexts(std::int64_t* out) const {
  for (const Live& here : live_) {
    std::int32_t node = here.node;
    for (std::int64_t i = context_size_; i-- > 0;) {
      out[i] = node == Prefixes::kRoot ? vocabulary_.blank() : prefixes_.token(node);
      if (node != Prefixes::kRoot) node = prefixes_.parent(node);
    }
    out += context_size_;
  }
}

bool TransducerBeam::advance(const Scores& scores) {
  find_candidates(scores);
  const std::span<const Candidate> best = candidates_.best();
  if (best.empty()) {  // only where no hypothesis can go on: pass over the frame, and say so in the score
    impossible_ = true;
    ++frame_;
    return true;
  }
  next_.clear();
  for (const Candidate& candidate : best) {
    next_.push_back(candidate.token == Candidate::kStay ? stay(candidate, scores) : grow(candidate, scores));
  }
  for (const Live& old : live_) {
    traces_.release(old.trace);
    prefixes_.set_live(old.node, Prefixes::kNone);
  }
  for (std::size_t i = 0; i < next_.size(); ++i) prefixes_.set_live(next_[i].node, static_cast<std::int32_t>(i));
  for (const Live& old : live_) prefixes_.release(old.node);
  live_.swap(next_);
  ++frame_;
  return true;
}

// As in the CTC prefix beam: what grows into a prefix that is live already is summed with its staying, so every
// candidate is a different prefix with its whole sum.
void TransducerBeam::find_candidates(const Scores& scores) {
  candidates_.clear();
  const std::int32_t blank = vocabulary_.blank();
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const Live& here = live_[i];
    double total = here.total + scores.row(i)[blank];
    if (const std::int32_t parent = prefixes_.live(prefixes_.parent(here.node)); parent != Prefixes::kNone) {
      total = log_add(total, live_[parent].total + scores.row(parent)[here.token]);
    }
    if (total > kImpossible) candidates_.push({total, static_cast<std::int32_t>(i), Candidate::kStay, here.node});
  }
  candidates_.prune();
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const Live& here = live_[i];
    const float* row = scores.row(i);
    for (std::int32_t token = 0; token < static_cast<std::int32_t>(scores.tokens); ++token) {
      const double score = here.total + row[token];
      if (!(score > candidates_.threshold()) || token == blank) continue;
      const std::int32_t node = prefixes_.find_child(here.node, token);
      if (prefixes_.live(node) == Prefixes::kNone) {
        candidates_.push({score, static_cast<std::int32_t>(i), token, node});
      }
    }
  }
}

TransducerBeam::Live TransducerBeam::stay(const Candidate& candidate, const Scores& scores) {
  const Live& here = live_[candidate.source];
  const double stayed = here.best + scores.row(candidate.source)[vocabulary_.blank()];
  if (const std::int32_t parent = prefixes_.live(prefixes_.parent(here.node)); parent != Prefixes::kNone) {
    const float log_prob = scores.row(parent)[here.token];
    const double begun = live_[parent].best + log_prob;
    if (begun > stayed) {
      return {here.node, here.token, candidate.score, begun,
              traces_.add(live_[parent].trace, frame_, frame_ + 1, log_prob)};
    }
  }
  return {here.node, here.token, candidate.score, stayed, traces_.retain(here.trace)};
}

TransducerBeam::Live TransducerBeam::grow(const Candidate& candidate, const Scores& scores) {
  const Live& from = live_[candidate.source];
  const float log_prob = scores.row(candidate.source)[candidate.token];
  const std::int32_t node =
      candidate.node != Prefixes::kNone ? candidate.node : prefixes_.add_child(from.node, candidate.token);
  return {node, candidate.token, candidate.score, from.best + log_prob,
          traces_.add(from.trace, frame_, frame_ + 1, log_prob)};
}

std::vector<Hypothesis> TransducerBeam::hypotheses(std::int64_t nbest, std::int32_t start) const {
  const std::size_t count = std::min(live_.size(), static_cast<std::size_t>(nbest));
  std::vector<Hypothesis> result;
  for (std::size_t i = 0; i < count; ++i) {
    const Live& here = live_[i];
    result.push_back(
        read_hypothesis(prefixes_, traces_, here.node, here.trace, impossible_ ? kImpossible : here.total, start));
  }
  return result;
}

std::int64_t TransducerBeam::stable() const {
  std::int32_t shared = live_.front().node;
  for (const Live& here : live_) shared = prefixes_.common_ancestor(shared, here.node);
  return prefixes_.depth(shared);
}

}  // namespace sonant

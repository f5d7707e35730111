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

TransducerBeam::TransducerBeam(std::int64_t beam, std::int64_t context_size, std::int32_t blank,
                               std::int32_t settle_after)
    : TransducerSearch(context_size, blank), settle_after_(settle_after),
      beam_(beam, {Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, Traces::kNone}) {}

void TransducerBeam::write_contexts(std::int64_t* out) const {
  for (const Live& here : beam_.live) {
    std::int32_t node = here.node;
    for (std::int64_t i = context_size_; i-- > 0;) {
      out[i] = node == Prefixes::kRoot ? vocabulary_.blank() : beam_.prefixes.token(node);
      if (node != Prefixes::kRoot) node = beam_.prefixes.parent(node);
    }
    out += context_size_;
  }
}

bool TransducerBeam::advance(const Scores& scores) {
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
void TransducerBeam::find_candidates(const Scores& scores) {
  beam_.candidates.clear();
  const std::int32_t blank = vocabulary_.blank();
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    double total = here.total + scores.row(i)[blank];
    if (const std::int32_t parent = beam_.prefixes.live(beam_.prefixes.parent(here.node)); parent != Prefixes::kNone) {
      total = log_add(total, beam_.live[parent].total + scores.row(parent)[here.token]);
    }
    if (total > kImpossible) beam_.candidates.push({total, static_cast<std::int32_t>(i), Candidate::kStay, here.node});
  }
  beam_.candidates.prune();
  for (std::size_t i = 0; i < beam_.live.size(); ++i) {
    const Live& here = beam_.live[i];
    const float* row = scores.row(i);
    for (std::int32_t token = 0; token < static_cast<std::int32_t>(scores.tokens); ++token) {
      const double score = here.total + row[token];
      if (!(score > beam_.candidates.threshold()) || token == blank) continue;
      const std::int32_t node = beam_.prefixes.find_child(here.node, token);
      if (beam_.prefixes.live(node) == Prefixes::kNone) {
        beam_.candidates.push({score, static_cast<std::int32_t>(i), token, node});
      }
    }
  }
}

TransducerBeam::Live TransducerBeam::stay(const Candidate& candidate, const Scores& scores) {
  const Live& here = beam_.live[candidate.source];
  const double stayed = here.best + scores.row(candidate.source)[vocabulary_.blank()];
  if (const std::int32_t parent = beam_.prefixes.live(beam_.prefixes.parent(here.node)); parent != Prefixes::kNone) {
    const float log_prob = scores.row(parent)[here.token];
    const double begun = beam_.live[parent].best + log_prob;
    if (begun > stayed) {
      return {here.node, here.token, candidate.score, begun,
              beam_.traces.add(beam_.live[parent].times, frame_, frame_ + 1, log_prob)};
    }
  }
  return {here.node, here.token, candidate.score, stayed, beam_.traces.retain(here.times)};
}

TransducerBeam::Live TransducerBeam::grow(const Candidate& candidate, const Scores& scores) {
  const Live& from = beam_.live[candidate.source];
  const float log_prob = scores.row(candidate.source)[candidate.token];
  const std::int32_t node =
      candidate.node != Prefixes::kNone ? candidate.node : beam_.prefixes.add_child(from.node, candidate.token);
  return {node, candidate.token, candidate.score, from.best + log_prob,
          beam_.traces.add(from.times, frame_, frame_ + 1, log_prob)};
}

}  // namespace sonant

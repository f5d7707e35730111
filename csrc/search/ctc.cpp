#include "search/ctc.h"

#include <algorithm>

namespace sonant {

void check_ctc_scores(const Scores& scores, Vocabulary& vocabulary, std::int32_t frame) {
  if (const std::int64_t bad = first_bad_score(scores); bad >= 0) {
    const std::int64_t at = frame + bad / scores.tokens;
    throw SearchError(bad_score_message(
        "frame " + std::to_string(at) + ", token " + std::to_string(bad % scores.tokens), scores.data[bad]));
  }
  vocabulary.expect(scores.tokens);
}

CtcGreedy::CtcGreedy(std::int32_t blank) : vocabulary_(blank), last_(blank) {}

void CtcGreedy::advance(const Scores& scores) {
  check_ctc_scores(scores, vocabulary_, frame_);
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

std::vector<Hypothesis> CtcGreedy::hypotheses(std::int64_t, std::int32_t start, bool) const {
  return {so_far_.from(start)};
}

}  // namespace sonant

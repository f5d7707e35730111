#include "search/scores.h"

#include <algorithm>


namespace sonant {

std::int64_t first_bad_score(const Scores& scores) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::int64_t count = scores.rows * scores.tokens;
  const float* data = scores.data;
  constexpr std::int64_t kBlock = 256;  // a block without a branch vectorises; NaN and +inf both fail the comparison
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, count);
    unsigned bad = 0;
    for (std::int64_t i = begin; i < end; ++i) bad |= !(data[i] <= kLargest);
    if (!bad) continue;
    for (std::int64_t i = begin; i < end; ++i) {
      if (!(data[i] <= kLargest)) return i;
    }
  }
  return -1;
}

std::string bad_score_message(const std::string& where, float found) {
  return where + ": found the score " + (std::isnan(found) ? "nan" : "inf") +
         ", expected a log-probability (finite or -inf); look for an overflow in the network";
}

Vocabulary::Vocabulary(std::int32_t blank) : blank_(blank) {
  if (blank < 0) throw SearchError("blank: found " + std::to_string(blank) + ", expected a token id, 0 or above");
}

void Vocabulary::expect(std::int64_t tokens) {
  if (tokens == size_ && tokens > 0) return;
  if (size_ > 0) {
    throw SearchError("scores have " + std::to_string(tokens) + " tokens (columns), expected " +
                      std::to_string(size_) + " as before; one search takes the scores of one network");
  }
  if (blank_ >= tokens) {
    throw SearchError("blank: found " + std::to_string(blank_) + ", but the scores have " + std::to_string(tokens) +
                      " tokens (columns); give the network's own blank id");
  }
  size_ = tokens;
}

}  // namespace sonant

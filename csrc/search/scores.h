// Scores: what a network says about each frame, as natural-log probabilities in a flat row-major array.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace sonant {

inline constexpr double kImpossible = -std::numeric_limits<double>::infinity();

// A view of (rows, tokens) log-probabilities; the memory belongs to the caller.
struct Scores {
  const float* data;
  std::int64_t rows;
  std::int64_t tokens;

  const float* row(std::int64_t i) const { return data + i * tokens; }
};

// Scores or options that do not fit the search. The message says what was found, what was expected, and the mend.
struct SearchError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// Index into the flat array of the first score that is NaN or +inf, or -1. -inf is a fine score: probability zero.
std::int64_t first_bad_score(const Scores& scores);

// The message for a bad score, after a caller's "frame 7, token 3" or the like.
std::string bad_score_message(const std::string& where, float found);

// The number of tokens is learned from the first scores and must stay; the blank must be one of them.
class Vocabulary {
 public:
  explicit Vocabulary(std::int32_t blank);

  std::int32_t blank() const { return blank_; }
  std::int64_t size() const { return size_; }  // 0 until learned
  void expect(std::int64_t tokens);            // throws SearchError

 private:
  std::int32_t blank_;
  std::int64_t size_ = 0;
};

// log(exp(a) + exp(b)), and -inf where both are. Below e^-40 the smaller one does not reach a double's last bit.
inline double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  const double difference = b - a;
  return difference > -40.0 ? a + std::log1p(std::exp(difference)) : a;  // -inf - -inf is NaN: not above -40
}

}  // namespace sonant

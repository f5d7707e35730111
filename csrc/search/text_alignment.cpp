#include "search/text_alignment.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "search/ctc.h"

namespace sonant {

namespace {

// Relative to the best token of the frame. A frame that allows none counts as a blank.
struct CtcFrame {
  static constexpr bool kRuns = true;
  const float* row;
  const std::int32_t* tokens;
  std::int32_t blank_id;
  float best;

  double blank(std::int32_t) const { return best == -INFINITY ? 0.0 : double(row[blank_id]) - best; }
  double token(std::int32_t u) const { return best == -INFINITY ? kImpossible : double(row[tokens[u]]) - best; }
};

struct TransducerFrame {
  static constexpr bool kRuns = false;
  const float *blanks, *next;
  std::int32_t low;

  double blank(std::int32_t u) const { return blanks[u - low]; }
  double token(std::int32_t u) const { return next[u - 1 - low]; }
};

}  // namespace

TextAlignment::TextAlignment(std::vector<std::int32_t> tokens, std::vector<std::int32_t> word_ends, std::int32_t blank,
                             const AlignmentOptions& options)
    : vocabulary_(blank), options_(options) {
  tokens_.push_back(kNone);
  word_ends_.push_back(0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] == blank) {
      throw SearchError("token " + std::to_string(i) + " of the text is " + std::to_string(tokens[i]) +
                        "; expected an id that is not the blank's");
    }
    tokens_.push_back(tokens[i]);
    least_columns_ = std::max(least_columns_, tokens[i] + 1);
  }
  for (const std::int32_t end : word_ends) {
    if (end <= word_ends_.back()) throw SearchError("word_ends: found " + std::to_string(end) + " after " +
                                                    std::to_string(word_ends_.back()) + "; expected rising numbers");
    word_ends_.push_back(end);
  }
  const std::size_t count = tokens_.size();
  if (word_ends_.back() + std::size_t(1) != count) {
    throw SearchError("word_ends: the last is " + std::to_string(word_ends_.back()) + "; expected the number of tokens, " +
                      std::to_string(count - 1));
  }
  for (std::size_t w = 0; w < word_ends_.size(); ++w) {
    const int length = w ? word_ends_[w] - word_ends_[w - 1] : 0;
    margin_.push_back(options_.free_start + options_.free_token * (length + 2));
  }
  word_at_.assign(count, kNone);
  for (std::size_t w = 0; w < word_ends_.size(); ++w) word_at_[word_ends_[w]] = std::int32_t(w);
  blank_.resize(count);
  token_.resize(count);
  free_.resize(word_ends_.size());
  skip_.resize(word_ends_.size());
  marks_.assign(1, {kNone, kBlank, 0, 0, 0.0, 0.0});
  count_ = 1;
  blank_[0] = {0.0, 0};
  best_ = blank_[0];
  end_frame();
}

void TextAlignment::advance(const Scores& scores) {
  check_ctc_scores(scores, vocabulary_, frame_);
  if (least_columns_ > scores.tokens && scores.rows) {
    throw SearchError("the text has the token " + std::to_string(least_columns_ - 1) + ", but the scores have " +
                      std::to_string(scores.tokens) + " tokens (columns); expected the tokens of the same network");
  }
  for (std::int64_t t = 0; t < scores.rows; ++t) {
    const float* row = scores.row(t);
    const auto best = std::int32_t(std::max_element(row, row + scores.tokens) - row);
    const bool said = best != vocabulary_.blank() && best != best_token_ && row[best] > -INFINITY;
    best_token_ = best;
    step(CtcFrame{row, tokens_.data(), vocabulary_.blank(), row[best]}, said ? options_.free_token : 0.0);
  }
}

void TextAlignment::advance(const float* blank, const float* token, double free) {
  step(TransducerFrame{blank, token, low_}, free);
}

// Writes a mark always, and keeps it where the state is entered.
inline TextAlignment::Cell TextAlignment::arrived(const Way& way, const Cell& stay, double score, Kind kind,
                                                  std::int32_t position) {
  const double total = way.score + score;
  if (!(total >= floor_) || total == kImpossible) return {};
  const bool enters = way.out_of != &stay;
  marks_[count_] = {way.out_of->mark, kind, position, frame_,
                    way.out_of->score + way.out_of->skipped, way.score};
  const Cell cell{total, enters ? std::int32_t(count_) : stay.mark};
  count_ += enters;
  if (total > best_.score) {
    best_ = cell;
    best_kind_ = kind;
    best_position_ = position;
  }
  return cell;
}

template <class FrameScores>
void TextAlignment::step(const FrameScores& scores, double free) {
  // The best state is at least as good as one of those that follow the best one now.
  double change = best_kind_ == kFree ? -free : scores.blank(best_position_);
  if (FrameScores::kRuns && best_kind_ == kToken) change = std::max(change, scores.token(best_position_));
  const double threshold = best_.score + change - options_.beam;
  const bool prunes = threshold > kImpossible;
  floor_ = threshold;
  best_ = {};
  const auto last = std::int32_t(tokens_.size()) - 1;
  const std::int32_t top = std::min(high_ + 1, last);
  const std::size_t most = count_ + 3 * std::size_t(top - low_ + 1) + 1;
  if (most > marks_.size()) marks_.resize(std::max(most, marks_.size() * 3 / 2));
  const Cell none;
  // Downwards, so that what a state is entered from is that of the frame before.
  for (std::int32_t u = top; u >= low_; --u) {
    const std::int32_t word = word_at_[u];
    const Cell blank = blank_[u], token = token_[u];
    // Most of the window, far ahead within words, is dead and stays so.
    if (word == kNone && u > 0 && word_at_[u - 1] == kNone &&
        std::max({blank.score, token.score, blank_[u - 1].score, token_[u - 1].score}) == kImpossible) {
      continue;
    }
    Way to_blank{&blank, blank.score};
    to_blank.offer(token);
    const Cell& stay = FrameScores::kRuns ? token : none;
    Way to_token{&stay, stay.score};
    if (u > 0) {
      to_token.offer(blank_[u - 1]);
      if (!FrameScores::kRuns || tokens_[u] != tokens_[u - 1]) to_token.offer(token_[u - 1]);
      if (const std::int32_t before = word_at_[u - 1]; before != kNone) {
        to_token.offer(free_[before]);
        to_token.offer(skip_[before]);
      }
    }
    if (word != kNone) {
      floor_ = prunes ? std::max(threshold, skip_[word].score + change - margin_[word]) : threshold;
      const Cell stays = free_[word];
      Way to_free{&stays, stays.score};
      to_free.offer(blank, options_.free_start);
      to_free.offer(token, options_.free_start);
      to_blank.offer(stays);
      to_blank.offer(skip_[word]);
      free_[word] = arrived(to_free, stays, -free, kFree, word);
    }
    // Where nothing leads to a state, its score is not asked: a window of transducer scores may not have it.
    blank_[u] = to_blank.score > kImpossible ? arrived(to_blank, blank, scores.blank(u), kBlank, u) : Cell{};
    token_[u] = to_token.score > kImpossible ? arrived(to_token, stay, scores.token(u), kToken, u) : Cell{};
  }
  high_ = std::min(high_ + 1, last);
  ++frame_;
  end_frame();
}

void TextAlignment::end_frame() {
  skip_words();
  narrow();
  if (count_ - old_ < kYoung) return;
  collect(old_);
  if (count_ < collect_all_at_) return;
  collect(0);
  collect_all_at_ = std::max(kOld, count_ * 2);
}

// The best state after the word, without those that skipped to it.
TextAlignment::Cell TextAlignment::at_end_of(std::int32_t word) const {
  const std::int32_t u = word_ends_[word];
  Cell best = blank_[u];
  if (token_[u].score > best.score) best = token_[u];
  if (free_[word].score > best.score) best = free_[word];
  return best;
}

void TextAlignment::skip_words() {
  const double cutoff = best_.score - options_.beam;
  for (std::int32_t w = first_skip_; w < end_skip_; ++w) skip_[w] = {};
  const auto words = std::int32_t(word_ends_.size());
  const auto first = std::int32_t(std::lower_bound(word_ends_.begin(), word_ends_.end(), low_) - word_ends_.begin());
  first_skip_ = end_skip_ = first;
  Cell skips[2];
  for (std::int32_t w = first; w < words; ++w) {
    const Cell& better = skips[0].score >= skips[1].score ? skips[0] : skips[1];
    const bool inside = word_ends_[w] <= high_;
    const bool alive = better.score >= cutoff && better.score > kImpossible;
    if (!inside && !alive) break;
    if (alive) {
      skip_[w] = better;
      end_skip_ = w + 1;
      high_ = std::max(high_, word_ends_[w]);
    }
    if (w + 1 == words) break;
    const Cell here = inside ? at_end_of(w) : Cell{};
    const double length = word_ends_[w + 1] - word_ends_[w];
    for (int i = 0; i < 2; ++i) {
      Cell& skip = skips[i];
      const double begun = here.score - options_.skip_start[i];
      if (begun > skip.score) skip = {begun, here.mark, float(options_.skip_start[i])};
      skip.score -= options_.skip_token[i] * length;
      skip.skipped += float(options_.skip_token[i] * length);
    }
  }
}

void TextAlignment::narrow() {
  const double cutoff = best_.score - options_.beam;
  const auto alive = [&](std::int32_t u) {
    const auto good = [&](const Cell& cell) { return cell.score >= cutoff && cell.score > kImpossible; };
    const std::int32_t word = word_at_[u];
    return good(blank_[u]) || good(token_[u]) || (word != kNone && (good(free_[word]) || good(skip_[word])));
  };
  const auto drop = [&](std::int32_t u) {
    blank_[u] = token_[u] = {};
    if (const std::int32_t word = word_at_[u]; word != kNone) {
      free_[word] = {};
      skip_[word] = {};
    }
  };
  while (low_ < high_ && !alive(low_)) drop(low_++);
  while (high_ > low_ && !alive(high_)) drop(high_--);
}

// The marks from `first` on in their order, without those that no live state leads back to.
void TextAlignment::collect(std::size_t first) {
  const auto each = [&](auto body) {
    const auto visit = [&](Cell& cell) {
      if (cell.mark != kNone && std::size_t(cell.mark) >= first) body(cell.mark);
    };
    for (std::int32_t u = low_; u <= high_; ++u) {
      visit(blank_[u]);
      visit(token_[u]);
      if (const std::int32_t word = word_at_[u]; word != kNone) {
        visit(free_[word]);
        visit(skip_[word]);
      }
    }
    visit(best_);
  };
  // What is collected is found and moved without a look at the rest, which is most.
  kept_.assign((count_ - first + 63) / 64, {});
  each([&](std::int32_t mark) {
    for (std::int64_t i = mark; i >= std::int64_t(first); i = marks_[i].previous) {
      const auto place = std::size_t(i) - first;
      Kept& kept = kept_[place / 64];
      const std::uint64_t bit = std::uint64_t(1) << place % 64;
      if (kept.bits & bit) break;
      kept.bits |= bit;
    }
  });
  std::size_t count = first;
  for (Kept& kept : kept_) {
    kept.first = std::int32_t(count);
    count += std::size_t(std::popcount(kept.bits));
  }
  const auto moved = [&](std::int32_t mark) {
    if (mark < std::int64_t(first)) return mark;
    const auto place = std::size_t(mark) - first;
    const Kept& kept = kept_[place / 64];
    return kept.first + std::popcount(kept.bits & ((std::uint64_t(1) << place % 64) - 1));
  };
  count = first;
  for (std::size_t word = 0; word < kept_.size(); ++word) {
    for (std::uint64_t bits = kept_[word].bits; bits; bits &= bits - 1) {
      Mark mark = marks_[first + word * 64 + std::size_t(std::countr_zero(bits))];
      mark.previous = moved(mark.previous);
      marks_[count++] = mark;
    }
  }
  count_ = old_ = count;
  each([&](std::int32_t& mark) { mark = moved(mark); });
}

double TextAlignment::score() const {
  const auto word = std::int32_t(word_ends_.size()) - 1;
  return std::max(at_end_of(word).score, skip_[word].score);
}

std::vector<TextAlignment::Span> TextAlignment::spans() const {
  // Where nothing is alive after the last word, the rest of the text is skipped, whatever that costs.
  auto word = std::int32_t(word_ends_.size()) - 1;
  if (score() == kImpossible && options_.skip_start[0] < -kImpossible) {
    double best = kImpossible;
    for (std::int32_t w = word; w >= 0; --w) {
      const double here = std::max(at_end_of(w).score, skip_[w].score);
      if (here > best) {
        best = here;
        word = w;
      }
    }
  }
  std::vector<Span> found;
  const Cell at_end = at_end_of(word);
  const Cell& skip = skip_[word];
  const bool skipped = skip.score > at_end.score;
  if (std::max(at_end.score, skip.score) == kImpossible) return found;
  double score = skipped ? skip.score + skip.skipped : at_end.score;
  std::int32_t end = frame_;
  for (std::int32_t i = skipped ? skip.mark : at_end.mark; i != kNone; i = marks_[i].previous) {
    const Mark& mark = marks_[i];
    // A token has a frame; several may share one.
    const std::int32_t until = mark.kind == kToken ? std::max(end, mark.frame + 1) : end;
    if (mark.frame < until) found.push_back({mark.kind, mark.position, mark.frame, until, score - mark.start});
    end = mark.frame;
    score = mark.from;
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace sonant

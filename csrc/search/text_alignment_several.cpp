// The search of text_alignment.h for transducers that say several tokens in a frame: a frame is so many tokens, then a
// blank, and states between frames are blank(u) and free(w) alone. Within a frame, cell k of u is the best path that has
// said k tokens in it, and u in all.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "search/text_alignment.h"

namespace sonant {

void TextAlignment::advance(const float* blank, const float* token, double best_path, double free, std::int32_t most) {
  const auto last = std::int32_t(tokens_.size()) - 1;
  const std::int32_t low = low_, top = std::int32_t(std::min<std::int64_t>(std::int64_t(high_) + most, last));
  // The best state is at least as good as one of those that follow the best one now.
  const double change = best_kind_ == kFree ? -free : double(blank[best_position_ - low]) - best_path;
  const double threshold = best_.score + change - options_.beam;
  const auto alive = [&](double score) { return score > kImpossible && score - best_path >= threshold; };
  best_ = {};
  const auto layers = std::size_t(std::min(most, top - low)) + 1;
  std::vector<Cell> before(layers), here(layers);
  for (std::int32_t u = low; u <= top; ++u) {
    const std::size_t needed = count_ + layers + 2;
    if (needed > marks_.size()) marks_.resize(std::max(needed, marks_.size() * 3 / 2));
    const Cell stays = blank_[u];
    const std::int32_t word = word_at_[u];
    Way way{&stays, stays.score};
    Cell free_stays;
    if (word != kNone) {
      free_stays = free_[word];
      way.offer(free_stays);
      way.offer(skip_[word]);
      Way to_free{&free_stays, free_stays.score};
      to_free.offer(stays, options_.free_start);
      free_[word] = between(to_free, free_stays, -free, threshold, kFree, word, frame_);
    }
    here[0] = alive(way.score) ? *way.out_of : Cell{};
    const double said = u > low ? double(token[u - 1 - low]) : kImpossible;
    for (std::size_t k = 1; k < layers; ++k) {
      const Cell& from = before[k - 1];
      const double score = from.score + said;
      here[k] = {};
      if (!alive(score)) continue;
      marks_[count_] = {from.mark, kToken, u, frame_, from.score + from.skipped, from.score};
      here[k] = {score, std::int32_t(count_++)};
    }
    const double rest = double(blank[u - low]) - best_path;
    std::size_t best = 0;
    for (std::size_t k = 1; k < layers; ++k) best = here[k].score > here[best].score ? k : best;
    Way to_blank{best ? &here[best] : way.out_of, here[best].score};
    blank_[u] = between(to_blank, stays, rest, threshold, kBlank, u, best ? frame_ + 1 : frame_);
    std::swap(before, here);
  }
  high_ = top;
  ++frame_;
  end_frame();
}

// As `arrived`, where the mark is of the frame `begin`.
TextAlignment::Cell TextAlignment::between(const Way& way, const Cell& stay, double score, double threshold, Kind kind,
                                           std::int32_t position, std::int32_t begin) {
  const double total = way.score + score;
  if (!(total >= threshold) || total == kImpossible) return {};
  const bool enters = way.out_of != &stay;
  // A token has its own score; the blank behind it in the same frame lies between it and the next span.
  const double start = begin > frame_ ? total : way.score;
  if (enters) marks_[count_] = {way.out_of->mark, kind, position, begin, way.out_of->score + way.out_of->skipped, start};
  const Cell cell{total, enters ? std::int32_t(count_++) : stay.mark};
  if (total > best_.score) {
    best_ = cell;
    best_kind_ = kind;
    best_position_ = position;
  }
  return cell;
}

}  // namespace sonant

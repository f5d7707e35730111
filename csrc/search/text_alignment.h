// Forced alignment of a long recording: when each token of a text was said, what of the text was not said, and what was
// said besides.
//
// The automaton, for a text of tokens 1..U in words 1..W. A path is in one of these states while it takes a frame:
//   blank(u)   after u tokens, a blank (CTC), or a frame without a token (transducer)
//   token(u)   the token u; CTC stays in it for a run of frames. Of transducers that say several tokens in a frame: these
//              tokens, one after another, and the blank that ends the frame
//   free(w)    after w words, a frame that no text explains
// From blank(u) and token(u) it goes on to blank(u) and token(u + 1) (CTC: not to the same token without a blank), and
// at the end of the word w to free(w), and back from there. Between two frames it may skip words. Costs:
//   free   `free_start` once, `free_token` for each token that the network's best path has in those frames
//   skip   `start` once and `token` for each token of the words, by the cheaper of two such pairs: few words, or a gap
// Scores of frames are those relative to the network's best path, so that 0 is a perfect match.
//
// Viterbi, a frame at a time, over the window of u within the beam of the best state: what falls out at its ends is
// dropped, and so is, within a word, what is worse than skipping to the word's end and hearing the rest of it as free
// frames, which leads to the same place. Where a path enters a state it leaves a mark; marks that no live state leads back
// to are collected, so that memory grows with the text and not with frames. A mark leads to older ones alone, and those
// that have been collected once mostly stay: the young are collected often, while they lie in the cache, and all of them
// when they have doubled.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "search/scores.h"

namespace sonant {

struct AlignmentOptions {
  double beam, free_start, free_token;
  double skip_start[2], skip_token[2];
};

class TextAlignment {
 public:
  enum Kind : std::int32_t { kBlank, kToken, kFree };
  // The path in one state: of the token `position` (from 1), or after so many tokens (blank) or words (free).
  struct Span {
    std::int32_t kind, position, begin, end;  // frames
    double score;
  };

  // word_ends: how many tokens come before the end of each word. Throws SearchError where they do not fit.
  TextAlignment(std::vector<std::int32_t> tokens, std::vector<std::int32_t> word_ends, std::int32_t blank,
                const AlignmentOptions& options);

  // The next frames of a CTC network; what free frames hold is the tokens of their best path. Throws SearchError, and is
  // then unchanged.
  void advance(const Scores& scores);
  // One frame of a transducer with a token a frame at most: log-probabilities, less that of the best path, of the blank
  // and of the next token after each u of the window; the cost of a free frame.
  void advance(const float* blank, const float* token, double free);
  // One frame of a transducer that says up to `most` tokens in a frame and then a blank: log-probabilities of the blank and
  // of the next token after each u from low to min(high + most, tokens), and that of the network's best path.
  void advance(const float* blank, const float* token, double best_path, double free, std::int32_t most);
  // The u that are alive, first and last.
  std::pair<std::int32_t, std::int32_t> window() const { return {low_, high_}; }
  std::int32_t length() const { return std::int32_t(tokens_.size()) - 1; }  // tokens of the text
  std::int64_t frames() const { return frame_; }
  std::size_t capacity() const { return marks_.size(); }
  // The spans of the best path that ends after the last word, in order; empty where there is none.
  std::vector<Span> spans() const;
  // Of that path, with what was free and skipped; -inf where there is none.
  double score() const;

 private:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::size_t kYoung = 1 << 17, kOld = 1 << 18;  // marks
  struct Cell {
    double score = kImpossible;
    std::int32_t mark = kNone;
    float skipped = 0.0f;  // the part of the score that skipping words has cost since the mark
  };
  struct Mark {
    std::int32_t previous, kind, position, frame;
    double from, start;  // score of the state before; the same with what lies between
  };
  // Of 64 marks those that a collection keeps, and where the first of them goes.
  struct Kept {
    std::uint64_t bits = 0;
    std::int32_t first = 0;
  };
  // The best way into a state so far: out of which cell, and with which score. Compared without branches.
  struct Way {
    const Cell* out_of;
    double score;
    void offer(const Cell& cell, double cost = 0.0) {
      const double other = cell.score - cost;
      out_of = other > score ? &cell : out_of;
      score = other > score ? other : score;
    }
  };

  template <class FrameScores>
  void step(const FrameScores& scores, double free);
  Cell arrived(const Way& way, const Cell& stay, double score, Kind kind, std::int32_t position);
  Cell between(const Way& way, const Cell& stay, double score, double threshold, Kind kind, std::int32_t position,
               std::int32_t begin);
  void end_frame();
  void skip_words();
  void narrow();
  void collect(std::size_t first);
  Cell at_end_of(std::int32_t word) const;

  std::vector<std::int32_t> tokens_;     // by u; [0] is none
  std::vector<std::int32_t> word_ends_;  // by w; [0] is 0
  std::vector<std::int32_t> word_at_;    // by u: w, or kNone
  std::vector<double> margin_;           // by w: what it costs at most to hear the rest of it as free frames
  Vocabulary vocabulary_;
  AlignmentOptions options_;
  std::int32_t least_columns_ = 0;

  std::int32_t frame_ = 0, low_ = 0, high_ = 0;
  std::int32_t best_token_ = kNone;  // of the frame before, for runs of the network's best path
  double floor_ = 0.0;               // of the word at hand: what is below it is dropped
  Cell best_;
  Kind best_kind_ = kBlank;
  std::int32_t best_position_ = 0;
  std::vector<Cell> blank_, token_, free_, skip_;
  std::int32_t first_skip_ = 0, end_skip_ = 0;  // words whose skip_ may be alive
  std::vector<Mark> marks_;  // the first `count_` of them
  std::size_t count_ = 0;
  std::size_t old_ = 0, collect_all_at_ = kOld;  // marks that have been collected; how many lead to all of them
  std::vector<Kept> kept_;
};

}  // namespace sonant

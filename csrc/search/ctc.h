// Connectionist temporal classification: each frame emits one token or the blank; repeats are one token unless a blank
// stands between them (Graves et al. 2006).
#pragma once

#include <cstdint>
#include <vector>

#include "search/beam.h"
#include "search/fusion.h"

namespace sonant {

// Throws SearchError where (frames, tokens) scores, the first of them of this frame, do not fit.
void check_ctc_scores(const Scores& scores, Vocabulary& vocabulary, std::int32_t frame);

// The best token of each frame, repeats and blanks taken out. The score is that of this one path.
class CtcGreedy {
 public:
  explicit CtcGreedy(std::int32_t blank);

  void advance(const Scores& scores);  // throws SearchError, and is then unchanged
  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) const;
  std::int64_t stable() const { return static_cast<std::int64_t>(so_far_.tokens.size()); }
  std::int64_t frames() const { return frame_; }

 private:
  Vocabulary vocabulary_;
  std::int32_t frame_ = 0;
  std::int32_t last_;  // token of the frame before: its run goes on if it comes again
  Hypothesis so_far_;
};

// Prefix beam search (Graves 2012, section 7.5.3; Hannun et al. 2014): a hypothesis sums all its paths, those that end
// in blank and those that do not kept apart. What a fusion adds depends on the prefix alone, and is kept apart from the
// sums. Exact for the given beam: in each frame the best `beam` of all the prefixes that can be reached are kept, and
// no token is left out of the comparison. With NoFusion or Fusion (ctc_prefix_beam.cpp).
template <class Fusion>
class CtcPrefixBeam {
 public:
  // Every `settle_after` frames (0: never), hypotheses go that disagree with the best on tokens older than that.
  CtcPrefixBeam(std::int64_t beam, std::int32_t blank, std::int32_t settle_after, Fusion fusion = {});

  void advance(const Scores& scores);  // throws SearchError, and is then unchanged
  // See Beam.
  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) {
    return beam_.hypotheses(fusion_, nbest, start, final);
  }
  // From the next frame on. Throws SearchError, and is then unchanged.
  void set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words);
  std::int64_t stable() const { return beam_.stable(); }
  std::int64_t frames() const { return frame_; }
  std::size_t capacity() const { return beam_.capacity(); }  // slots in the pools

 private:
  // Sums over all paths, then the best single path (Viterbi) with its times, each for paths whose last frame is blank
  // and for those whose last frame is the prefix's last token.
  struct Live {
    std::int32_t node, token;
    double total, blank, nonblank;
    double best_blank, best_nonblank;
    std::int32_t trace_blank, trace_nonblank;
    [[no_unique_address]] typename Fusion::Context context;

    bool ends_in_token() const { return best_nonblank > best_blank; }
    double best() const { return ends_in_token() ? best_nonblank : best_blank; }
    std::int32_t trace() const { return ends_in_token() ? trace_nonblank : trace_blank; }
    void retain(Traces& traces) const {
      traces.retain(trace_blank);
      traces.retain(trace_nonblank);
    }
    void release(Traces& traces) const {
      traces.release(trace_blank);
      traces.release(trace_nonblank);
    }
  };
  struct Stay {
    double total, blank, nonblank;
  };

  void advance_frame(const float* row);
  void find_candidates(const float* row);
  void find_promising_tokens(const float* row);
  std::int32_t child(std::int32_t node, std::int32_t token, std::int32_t choice) const;
  Live stay(const Candidate& candidate, const float* row);
  Live grow(const Candidate& candidate, const float* row);

  Vocabulary vocabulary_;
  Fusion fusion_;
  std::size_t width_;
  std::int32_t settle_after_;
  std::int32_t frame_ = 0;
  Beam<Live> beam_;
  // Scratch, kept so that a frame allocates nothing.
  std::vector<Stay> stays_;
  std::vector<std::int32_t> promising_;
  std::vector<std::int32_t> child_;        // by token: the child of the prefix at hand,
  std::vector<std::uint64_t> child_mark_;  // valid where the mark is the current one
  std::uint64_t mark_ = 0;
  std::vector<float> silence_;
};

}  // namespace sonant

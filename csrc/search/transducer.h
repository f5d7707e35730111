// Transducers (Graves 2012): a network joins an encoder frame with the last tokens of a hypothesis and says which
// token comes next, or blank: go to the next frame. No network here: a search tells the contexts it needs scores for,
// and takes those scores, one row per live hypothesis.
#pragma once

#include <cstdint>
#include <vector>

#include "search/beam.h"
#include "search/fusion.h"

namespace sonant {

class TransducerSearch {
 public:
  TransducerSearch(std::int64_t context_size, std::int32_t blank);
  virtual ~TransducerSearch() = default;

  virtual std::int64_t live() const = 0;
  // Writes (live, context_size) token ids: the last tokens of each live hypothesis, blanks before its first.
  virtual void write_contexts(std::int64_t* out) const = 0;
  // Throws SearchError where the (live, tokens) scores do not fit.
  virtual void check(const Scores& scores);
  // Takes scores that were checked. True: the frame is done and the next one is due.
  virtual bool advance(const Scores& scores) = 0;
  // See Beam.
  virtual std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) = 0;
  // From the next step on. Throws SearchError, and is then unchanged.
  virtual void set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) = 0;
  virtual std::int64_t stable() const = 0;  // leading tokens shared by all live hypotheses
  virtual std::size_t capacity() const = 0;  // slots in the pools

  std::int64_t context_size() const { return context_size_; }
  std::int64_t frames() const { return frame_; }

 protected:
  std::int64_t context_size_;
  Vocabulary vocabulary_;
  std::int32_t frame_ = 0;
};

// Takes the best token at every step; moves on at a blank, or after `max_symbols` tokens in one frame. The score is
// that of this one path. With NoFusion or Fusion, as the beam search.
template <class Fusion>
class TransducerGreedy final : public TransducerSearch {
 public:
  TransducerGreedy(std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols,
                   Fusion fusion = {});

  std::int64_t live() const override { return 1; }
  void write_contexts(std::int64_t* out) const override;
  void check(const Scores& scores) override;
  bool advance(const Scores& scores) override;
  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) override;
  void set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) override;
  std::int64_t stable() const override { return static_cast<std::int64_t>(so_far_.tokens.size()); }
  std::size_t capacity() const override { return so_far_.tokens.capacity(); }

 private:
  struct Best {
    std::int32_t token, choice;
    double score;
  };
  Best find_best(const float* row);

  Fusion fusion_;
  typename Fusion::Context context_;
  std::int64_t max_symbols_, symbols_ = 0;  // in this frame
  Hypothesis so_far_;
  std::vector<std::int32_t> choices_;  // with its tokens
  std::vector<std::int32_t> tokens_;   // scratch: all but the blank, best first
};

// Beam search over paths with at most one token a frame ("modified beam search"), hypotheses with equal tokens summed
// before the best are kept. Every frame is one step.
template <class Fusion>
class TransducerBeam final : public TransducerSearch {
 public:
  // Every `settle_after` frames (0: never), hypotheses go that disagree with the best on tokens older than that.
  TransducerBeam(std::int64_t beam, std::int64_t context_size, std::int32_t blank, std::int32_t settle_after,
                 Fusion fusion = {});

  std::int64_t live() const override { return static_cast<std::int64_t>(beam_.live.size()); }
  void write_contexts(std::int64_t* out) const override;
  void check(const Scores& scores) override;
  bool advance(const Scores& scores) override;
  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) override {
    return beam_.hypotheses(fusion_, nbest, start, final);
  }
  void set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) override;
  std::int64_t stable() const override { return beam_.stable(); }
  std::size_t capacity() const override { return beam_.capacity(); }

 private:
  struct Live {
    std::int32_t node, token;
    double total, best;  // summed over all paths; of the best single path, whose times the trace holds
    std::int32_t times;
    [[no_unique_address]] typename Fusion::Context context;

    std::int32_t trace() const { return times; }
    void retain(Traces& traces) const { traces.retain(times); }
    void release(Traces& traces) const { traces.release(times); }
  };

  void find_candidates(const Scores& scores);
  Live stay(const Candidate& candidate, const Scores& scores);
  Live grow(const Candidate& candidate, const Scores& scores);

  Fusion fusion_;
  std::int32_t settle_after_;
  Beam<Live> beam_;
  std::vector<std::int32_t> tokens_;  // scratch: those that are worth a look, best first
};

}  // namespace sonant

// Beam search over paths with any number of tokens in a frame, up to a limit (Graves 2012; the time-synchronous form of
// Saon, Tueske and Audhkhasi 2020).
//
// In each frame the live hypotheses take rounds. In round s they have said s tokens in this frame: each of them may end the
// frame by a blank, and the best `beam` of all their continuations by a token are the hypotheses of round s + 1, until
// s = max_symbols, where only the blank is left. Ends of equal tokens are summed, over rounds too; the best `beam` of them
// are live in the next frame. With a beam that is never full the scores are sums over all alignments.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "search/transducer.h"

namespace sonant {

template <class Fusion>
class TransducerTimeSync final : public TransducerSearch {
 public:
  // settle_after: as of TransducerBeam.
  TransducerTimeSync(std::int64_t beam, std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols,
                     std::int32_t settle_after, Fusion fusion = {});

  std::int64_t live() const override { return static_cast<std::int64_t>(here_.size()); }
  void write_contexts(std::int64_t* out) const override;
  void check(const Scores& scores) override;
  bool advance(const Scores& scores) override;
  // Of whole frames.
  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start, bool final) override {
    return beam_.hypotheses(fusion_, nbest, start, final);
  }
  // Between frames alone.
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

  void end_by_blank(const Live& here, float log_prob);
  void find_continuations(const Scores& scores);
  void end_frame();
  void begin_frame();

  Fusion fusion_;
  std::int64_t max_symbols_, round_ = 0;
  std::int32_t settle_after_;
  std::int64_t width_;
  Beam<Live> beam_;                  // what is live between frames
  std::vector<Live> here_, ended_;   // of this round; of this frame
  std::unordered_map<std::int32_t, std::size_t> end_of_;  // place in ended_ of a node
  std::vector<std::int32_t> tokens_;  // scratch
};

}  // namespace sonant

// Transducer search over a graph, frame by frame, for transducers whose decoder sees the last few symbols (Kuang et al.,
// "Pruned RNN-T for fast, memory-efficient ASR training", 2022, and k2's fast beam search): at most one symbol a frame.
//
// A state is a state of the graph with a context, the last history symbols, zeros at first. At each frame it
// stays where it is by a blank; follows an arc of label 0, a blank too; follows an arc of label -1 to the final state, which
// nothing leaves, by a blank again; or follows another arc, whose label goes into the context. The network gives
// log-probabilities of all symbols for each context, and a step scores these and the arc.
//
// Steps other than blanks go where they end below (best state's score - beam). Then of the states reached (by the best step
// into each) those within the beam of the best stay, at most max_states; then of contexts (by their best state) those
// within the beam, at most max_contexts. All steps between states that stay are kept.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fsa/algorithms.h"

namespace sonant {

struct RnntConfig {
  std::int32_t vocab_size, history;
  double beam;
  std::int64_t max_states, max_contexts;
};

// One graph with the scores of its arcs, which is looked over once: FstError where it cannot be searched.
struct RnntGraph {
  RnntGraph(std::span<const std::int32_t> arcs, std::span<const std::int32_t> state_splits, std::span<const float> scores);
  // FstError for labels that are no symbols, and where contexts and states cannot be numbered by 63 bits.
  void check(const RnntConfig& config) const;

  std::vector<std::int32_t> arcs, state_splits;
  std::vector<float> scores;
  std::int32_t highest_label = -1;
  std::int32_t states() const { return std::int32_t(state_splits.size() - 1); }
};

struct RnntArc {
  std::int32_t from, to;   // places among the states of this frame and of the next
  std::int32_t arc, label;  // of the graph; -1 and 0 for a blank that stays
  float score;
};

// The search of one recording up to some frame. A copy costs little, as frames are shared and never changed.
class RnntStream {
 public:
  explicit RnntStream(std::shared_ptr<const RnntGraph> graph);
  const RnntGraph& graph() const { return *graph_; }
  std::size_t num_frames() const { return frames_.size(); }
  // How many contexts there are, and `history` symbols of each, after what is there.
  std::size_t contexts(const RnntConfig& config, std::vector<std::int32_t>& symbols) const;
  // One more frame: a row of vocab_size log-probabilities for each context, in their order. FstError for NaN and +inf.
  void advance(const RnntConfig& config, const float* rows);
  // All steps of the first frames; the last one only says which states are final: those that take an arc of label -1 in it,
  // by an arc that scores 0; or, with allow_partial and if there are none, each that takes any, by an arc that comes
  // from none. `scores` of the arcs are put after what is there.
  FsaBatch lattice(std::size_t frames, bool allow_partial, std::vector<float>& scores) const;

 private:
  struct Frame {
    std::int32_t states;  // before it
    std::vector<RnntArc> arcs;  // in the order of these
  };
  std::shared_ptr<const RnntGraph> graph_;
  std::vector<std::int64_t> keys_{0};  // context * states of the graph + state, increasing
  std::vector<double> scores_{0};
  std::vector<std::shared_ptr<const Frame>> frames_;
};

}  // namespace sonant

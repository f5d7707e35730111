// Beam search over a decoding graph for the best path alone: Kaldi's FasterDecoder, which prunes as its lattice search
// does and keeps no links.
//
// Only the tokens of the last frame are held. Behind them lie traces: each token that is followed leaves one, with the
// arc that led to it and the trace before. Traces that no token leads back to any more are swept away now and then, so
// memory grows by what is certain alone.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fst/work.h"
#include "search/graph_search.h"
#include "search/graph_search_frame.h"
#include "search/graph_search_lattice.h"
#include "search/search_graph.h"

namespace sonant {

template <class Graph>
class BestPathSearch {
 public:
  // As LatticeSearch; what concerns lattices among the options is not used.
  BestPathSearch(std::shared_ptr<typename Graph::Shared> graph, const GraphSearchOptions& options, float scale);

  void advance(const Scores& scores);
  void finish() { finished_ = true; }
  bool finished() const { return finished_; }
  // What the next frame must have scores for.
  std::vector<std::int32_t> columns_read() const {
    return sonant::columns_read(*graph_, {tokens_.state.data(), tokens_.count});
  }
  std::int64_t frames() const { return frames_; }
  float final_relative_cost() const;
  BestPath best_path(bool use_final) const;
  std::int64_t trailing(std::span<const std::uint8_t> silent, bool use_final) const;
  std::size_t tokens() const { return tokens_.count + num_traces_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Trace {
    std::uint32_t before;  // trace
    std::uint32_t arc;     // the graph's record of that which led to it
    float cost;            // of the token, within its frame
    float offset;          // that is in the acoustic cost of its arc
  };
  struct Tokens {
    std::size_t count = 0;
    Array<float> cost;
    Array<StateId> state;
    Array<std::uint32_t> back, arc;  // trace before, arc from there

    void room(std::size_t total) { make_room(cost, total), make_room(state, total), make_room(back, total), make_room(arc, total); }
  };

  void frame(const float* scores, std::int32_t columns);
  void follow(float& limit, float adaptive_beam);
  void follow_epsilons(float cutoff);
  bool reach(Tokens& tokens, const SearchArc& arc, std::size_t number, float cost, std::uint32_t back);
  std::uint32_t leave_trace(const Tokens& tokens, std::uint32_t token, float offset);
  void sweep();
  std::size_t best_token(bool use_final) const;
  bool any_final() const;

  std::shared_ptr<typename Graph::Shared> graph_;
  GraphSearchOptions options_;
  float scale_;
  bool finished_ = false;
  std::int64_t frames_ = 0;
  float offset_ = 0;  // of the last frame
  Tokens tokens_, next_;
  Array<Trace> traces_;
  std::size_t num_traces_ = 0, sweep_at_;
  Work work_;

  TokenNumbers numbers_;
  CutoffFinder find_cutoff_;
  FrameCosts costs_;
  ArcBatch batch_;
  Array<std::uint32_t> followed_, queue_;
  std::size_t queued_ = 0;
  Array<std::uint32_t> moved_;
};

extern template class BestPathSearch<SearchGraph>;

}  // namespace sonant

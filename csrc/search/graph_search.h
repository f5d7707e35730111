// What the searches over a graph share: Kaldi's options, its cutoff, the tokens of a frame by their states.
//
// A token says that a state can be reached at a frame, and at which cost. Costs within a search are relative: each frame
// adds an offset that makes the best token of the frame before cost 0, so that single precision does after an hour, too.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "array.h"
#include "fst/fst.h"
#include "prefetch.h"
#include "search/scores.h"

namespace sonant {

// Those of Kaldi's LatticeFasterDecoder, with its names and defaults.
struct GraphSearchOptions {
  float beam = 16;                                                  // of tokens
  std::int32_t max_active = std::numeric_limits<std::int32_t>::max();  // tokens that are followed in a frame
  std::int32_t min_active = 200;
  float lattice_beam = 10;  // of what a lattice keeps
  std::int32_t prune_interval = 25;  // frames
  float beam_delta = 0.5f;  // what is added to the beam that max_active or min_active make
  float hash_ratio = 2;     // buckets for each token; decides in which order tokens are followed
  float prune_scale = 0.1f;  // how exactly a lattice is pruned on the way, as a part of lattice_beam
};

// Which tokens are followed, and how much worse than the best of them those of the next frame may be.
struct FrameCutoff {
  float best = kInfinity;
  float cutoff = kInfinity;
  float adaptive_beam = 0;
};

class CutoffFinder {
 public:
  // Kaldi's rule. The beam; but where more than max_active tokens lie within it, the cost of the one after these, and
  // where fewer than min_active do, the cost of the one after those.
  FrameCutoff operator()(std::span<const float> costs, const GraphSearchOptions& options);

 private:
  // The cost that is at `rank` (from 0) when they are sorted; it must be below `upper`.
  float select(std::span<const float> costs, std::size_t rank, float best, float upper);
  Array<std::uint32_t> counts_;
  Array<float> chosen_;
};

// Costs that the arcs of a frame add for each column: `offset` - scale * score.
class FrameCosts {
 public:
  void set(const float* scores, std::int32_t columns, float scale, float offset) {
    costs_.resize_for_overwrite(columns);
    for (std::int32_t i = 0; i < columns; ++i) costs_[i] = offset - scale * scores[i];
  }
  // Those of one arc, when the offset is not known yet.
  float operator[](std::int32_t column) const { return costs_[column]; }
  const float* data() const { return costs_.data(); }

 private:
  Array<float> costs_;
};

// Numbers the tokens of one frame by their states: where[state] is a number that holds if the token of that number is of
// that state (Briggs and Torczon 1993), so that nothing has to be cleared.
class TokenNumbers {
 public:
  void resize(std::size_t states) {
    if (where_.size() < states) where_.resize(std::max(states, where_.size() + where_.size() / 2), 0);
  }
  void prefetch_state(StateId s) const { prefetch(where_.data() + s); }
  std::uint32_t& operator[](StateId s) { return where_[s]; }

 private:
  Array<std::uint32_t> where_;
};

// The columns of the next frame that the arcs of these states read, in ascending order.
template <class Graph>
std::vector<std::int32_t> columns_read(Graph& graph, std::span<const StateId> states) {
  std::vector<char> read(graph.num_columns(), 0);
  for (const StateId s : states) {
    for (const auto& arc : graph.emitting(s)) read[arc.column] = 1;
  }
  std::vector<std::int32_t> columns;
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (read[i]) columns.push_back(static_cast<std::int32_t>(i));
  }
  return columns;
}

// Of a frame of a graph that is not known beforehand: SearchError where its epsilon arcs go round without end.
// `tokens`: before epsilons were followed, and now.
inline void check_rounds(std::size_t followed, std::size_t before, std::size_t tokens) {
  if (followed > 64 * tokens + (std::size_t(1) << 16) || followed > 64 * before + (std::size_t(1) << 22)) {
    throw SearchError("graph: epsilon arcs go round without end in one frame, along a cycle with a negative cost or to ever "
                      "new states; mend the weights of the graph or of the model");
  }
}

}  // namespace sonant

// Beam search over a decoding graph that keeps a lattice: Kaldi's LatticeFasterDecoder, token by token and link by link
// (Povey et al. 2012, "Generating exact lattices in the WFST framework").
//
// Frame f holds the tokens that can be reached after f frames of scores, and the links that leave them: emitting ones to
// tokens of frame f + 1, others to tokens of f itself. A link is kept if the best path through it is at most lattice_beam
// worse than the best path of all. Every prune_interval frames, and at the end, links and tokens that are not are dropped,
// the last frame first; what is left of a frame then moves into memory of its size, and the large blocks serve again.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fst/work.h"
#include "search/graph_search.h"
#include "search/graph_search_frame.h"
#include "search/search_graph.h"

namespace sonant {

// One arc of a path: labels, the graph's cost and the acoustic one (-scale * score).
struct PathArc {
  Label input, output;
  LatticeWeight cost;
};

struct BestPath {
  bool found = false;          // false: no token survived
  std::vector<PathArc> arcs;   // from the start
  float final_cost = 0;        // of the graph, where final costs were asked for and a final state was reached
};

template <class Graph>
class LatticeSearch {
 public:
  // SearchError where the options make no sense.
  LatticeSearch(std::shared_ptr<typename Graph::Shared> graph, const GraphSearchOptions& options, float scale);

  // Any number of frames. SearchError, and nothing has changed, where scores have too few columns, NaN or +inf.
  void advance(const Scores& scores);
  // No more frames will come: prunes with the final costs. What is asked for afterwards has them.
  void finish();
  bool finished() const { return finished_; }

  // What the next frame must have scores for.
  std::vector<std::int32_t> columns_read() const {
    return sonant::columns_read(*graph_, {frames_.back().state.data(), frames_.back().count});
  }
  std::int64_t frames() const { return static_cast<std::int64_t>(frames_.size()) - 1; }
  // How much worse the best path to a final state is than the best of all; infinity if no final state was reached.
  float final_relative_cost() const;
  // Ties are decided as Kaldi's traceback decides them.
  BestPath best_path(bool use_final) const;
  // Frames at the end of the best path whose input labels are `silent` (indexed by label).
  std::int64_t trailing(std::span<const std::uint8_t> silent, bool use_final) const;
  // States in topological order. Only what is within `beam` of the best path, as far as has been pruned so far. Without
  // a state where no token survived. SearchError where epsilon arcs of the graph form a cycle within the beam.
  Fst<LatticeWeight> raw_lattice(bool use_final, float beam) const;

  std::size_t tokens() const { return num_tokens_; }  // now held

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Link {
    std::uint32_t next;  // token
    std::uint32_t arc;   // the graph's record of it
    float graph, acoustic;
  };
  struct Range {
    std::uint32_t begin = 0, count = 0;  // of links of the frame
  };
  struct Links {
    Range epsilon, emitting;
  };
  struct Frame {
    std::size_t count = 0, num_links = 0;  // columns may be longer
    Array<float> cost, extra;              // extra: of the best path through a token, against the best of all
    Array<StateId> state;
    Array<std::uint32_t> back;  // the token before on the best path, shifted left by 1; + 1: it is of the same frame
    Array<Links> links;
    Array<Link> link;
    float offset = 0;                    // that the emitting links of this frame have in their acoustic cost
    bool prune_links = true, prune_tokens = true;

    void room_for_tokens(std::size_t total) {
      make_room(cost, total), make_room(state, total), make_room(back, total), make_room(links, total);
    }
  };
  struct Reached {
    std::uint32_t token;
    bool better;
  };

  Frame take_frame();
  void give_back(Frame& frame);
  void frame(const float* scores, std::int32_t columns);
  void emit(Frame& from, Frame& to, const float* scores, std::int32_t columns);
  void follow(Frame& from, Frame& to, float& limit, float adaptive_beam);
  void follow_epsilons(Frame& frame, float cutoff);
  Reached reach(Frame& frame, const SearchArc& arc, float cost, std::uint32_t back);

  void prune_active(float delta);
  void prune_links(std::size_t f, bool& extra_changed, bool& pruned, float delta);
  void prune_last_links();
  float keep_links(Frame& frame, Range& range, float cost, const Frame& next, bool& pruned) const;
  void prune_tokens(std::size_t f);

  float cost_of(const Frame& last, std::size_t token, bool use_final, bool any_final) const;
  bool any_final() const;
  std::size_t best_token(bool use_final) const;
  const Link& link_back(const Frame& from, const Range& range, std::uint32_t token) const;
  std::vector<StateId> number_tokens(std::size_t f, const std::vector<char>& kept, StateId& next) const;

  std::shared_ptr<typename Graph::Shared> graph_;
  GraphSearchOptions options_;
  float scale_;
  bool finished_ = false;
  float relative_cost_ = 0;  // once finished
  bool any_final_ = false;
  std::size_t num_tokens_ = 0, num_links_ = 0;
  std::vector<Frame> frames_, spare_;
  Work work_;

  // Of the frame that is being made.
  TokenNumbers numbers_;
  CutoffFinder find_cutoff_;
  FrameCosts costs_;
  HashListOrder order_;
  ArcBatch batch_;
  Array<std::uint32_t> followed_, queue_;
  std::size_t queued_ = 0;
  // Of pruning.
  Array<std::uint32_t> renumbered_, with_epsilons_;
};

// SearchError that names the option.
void check_options(const GraphSearchOptions& options, float scale);
// SearchError that says what was expected of scores.
void check_scores(const Scores& scores, std::int32_t columns, std::int64_t first_frame);

}  // namespace sonant

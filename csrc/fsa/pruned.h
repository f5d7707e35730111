// Pruned intersection of automata (k2's conventions) with the output of a network, frame by frame: token passing whose
// tokens are states of the automaton, with a search beam forward and an output beam backward.
//
// Forward: an arc from a state with score f ends at f + (its score) + (the frame's score of its label). States whose best
// arc ends above (the frame's best end - beam) are the next frame's; that best end is their score. The beam starts as the
// search beam and follows how many states are active: above max_active it is at most the search beam and times 0.8, below
// min_active at least the search beam and times 1.25, else it goes a fifth of its way back. In the last four frames, so that
// ways to an end are not lost, min_active is at least half of max_active, and too many states change nothing.
//
// Backward: an arc stays if the best path through it is within the output beam of the best path of all. While frames
// are still to come, every active state counts as an end as good as the best, so that nothing goes that would stay in
// the end (Povey et al., "Generating exact lattices in the WFST framework", 2012). This is done every few frames, so
// that memory goes with what is active.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fsa/algorithms.h"
#include "fst/work.h"

namespace sonant {

struct PrunedBeams {
  double search, output;
  std::int64_t min_active, max_active;
  // Where no active state is final in the end, all of them are, by arcs that come from none and score 0.
  bool allow_partial;
};

// Automata that were looked over once: FstError where they cannot be searched.
template <class T>
struct SearchGraphs {
  SearchGraphs(const FsaGraphs& graphs, const T* scores);
  // FstError where the network has no class for some label.
  void check_columns(std::size_t columns) const;

  FsaGraphs graphs;
  const T* scores;
  double highest_score = 0;
  std::int32_t highest_label = -1;
};

// What the search of one recording uses anew at each frame; one for each thread is enough.
template <class T>
struct SearchSpace;

// An arc that was taken at some frame: an arc of the automaton, places among the states of this and the next frame, and
// the scores of automaton and frame together.
template <class T>
struct TakenArc {
  std::int32_t arc, from, to;
  T score;
};

// The search of one recording up to some frame. A copy costs little, as frames are shared and never changed.
template <class T>
class PrunedStream {
 public:
  PrunedStream(const SearchGraphs<T>& a, std::int32_t a_fsa, const PrunedBeams& beams);
  // `count` more frames of a recording; a row has columns scores. The last four wait, as they may be the end.
  void advance(const SearchGraphs<T>& a, const T* rows, std::size_t columns, std::int32_t count, SearchSpace<T>& space,
               Work& work);
  // All that is within the output beam if the recording ends here: one automaton. map_b holds offsets into scores whose
  // row `first_row` is the first frame.
  FsaLattice<T> lattice(const SearchGraphs<T>& a, std::size_t columns, std::size_t first_row, SearchSpace<T>& space,
                        Work& work) const;
  std::int32_t a_fsa() const { return a_fsa_; }
  std::size_t num_frames() const { return frames_.size() + std::size_t(waiting_); }
  std::size_t num_active() const { return states_.size(); }

 private:
  struct Frame {
    std::vector<double> forward;  // of each state that was active then
    std::vector<TakenArc<T>> arcs;
  };
  void complete(std::vector<TakenArc<T>> arcs, std::vector<std::int32_t> states, std::vector<double> forward);
  void step(const SearchGraphs<T>& a, const T* row, std::size_t columns, bool last_ones, SearchSpace<T>& space,
            Work& work);
  void take_among_few(const SearchGraphs<T>& a, const T* row, double best, double best_step, SearchSpace<T>& space);
  void take_among_many(const SearchGraphs<T>& a, const T* row, double best, double best_step, SearchSpace<T>& space);
  template <class States>
  void take(States& active, TakenArc<T>* candidates, std::size_t count, double cutoff);
  void end(const SearchGraphs<T>& a, Work& work);
  void prune(std::size_t begin, Work& work);
  void adapt_beam(bool last_ones);

  std::int32_t a_fsa_;
  PrunedBeams beams_;
  double beam_;
  std::vector<std::int32_t> states_;  // active now, counted within their automaton
  std::vector<double> forward_;       // the score of each
  std::vector<std::shared_ptr<const Frame>> frames_;
  std::size_t arcs_ = 0;
  std::vector<T> rows_;  // scores of the frames that wait
  std::int32_t waiting_ = 0;
};

// Automaton a_of[i] of `a` with recording i of `dense`, shared out to threads.
template <class T>
FsaBatch fsa_intersect_pruned(const SearchGraphs<T>& a, const DenseFsas<T>& dense, std::span<const std::int32_t> a_of,
                              const PrunedBeams& beams, int threads);

// More frames of several recordings, and the lattice of each up to there; `streams` are replaced by what follows them.
template <class T>
FsaLattice<T> fsa_advance_pruned(const SearchGraphs<T>& a, const DenseFsas<T>& dense,
                                 std::vector<PrunedStream<T>>& streams, int threads);

}  // namespace sonant

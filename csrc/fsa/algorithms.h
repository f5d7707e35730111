// Operations on batches of automata in k2's conventions: state 0 is the start, the last state is final, the arcs into
// it and only they have label -1, 0 is epsilon, scores are better the larger they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "array.h"
#include "fsa/scores.h"
#include "fst/work.h"

namespace sonant {

// A batch in the making, as FsaGraphs reads it. Score bits are left 0; they follow from where an arc comes from: map_a
// and map_b hold, for each arc, an arc of either input, or -1.
struct FsaBatch {
  Array<std::int32_t> arcs, state_splits{0}, fsa_splits{0}, map_a, map_b;

  std::size_t num_arcs() const { return map_a.size(); }
  void add_arc(std::int32_t from, std::int32_t to, std::int32_t label, std::int32_t a, std::int32_t b) {
    const std::int32_t arc[] = {from, to, label, 0};
    arcs.append(arc, arc + 4);
    map_a.push_back(a);
    map_b.push_back(b);
  }
  void end_state() { state_splits.push_back(std::int32_t(map_a.size())); }
};

// A batch whose arcs stand for any number of arcs of the input each, whose scores add up.
struct FsaRagged {
  FsaBatch batch;
  Array<std::int32_t> map_splits{0}, map_values;
};

// A batch whose arcs have scores of their own.
template <class T>
struct FsaLattice {
  FsaBatch batch;
  Array<T> scores;
};

// Throws FstError where so many arcs or states of a batch cannot be numbered.
void check_numbered(std::size_t states, std::size_t arcs, const char* operation);

// Automata made apart, one after the other. Throws FstError where they have more arcs or states than 2^31 - 1.
FsaBatch joined(std::vector<FsaBatch> parts, const char* operation);
FsaRagged joined(std::vector<FsaRagged> parts, const char* operation);

// FstError where a result has more arcs, or its arcs stand for more, than 32 bits can number.
inline void check_numbered(const Work& work, std::size_t arcs) {
  if (arcs > 0x7fffffff) work.fail("the result has ", arcs, " arcs or more; at most 2^31 - 1 can be numbered");
}

// States in an order, counted over all automata, and where each automaton's begin.
struct FsaOrder {
  std::vector<std::int32_t> states, fsa_splits{0};
};

// Those that lie on a path from the start to the final state, as they come; none where there is no path.
FsaOrder fsa_useful_states(const FsaGraphs& graphs);

// All, so that arcs lead to later ones (or stay): by the longest way from a state that no arc enters, then as they
// come; the final one last. Throws FstError for a cycle of several states, and for arcs to the start.
FsaOrder fsa_topological_order(const FsaGraphs& graphs);

// Pairs of states of a.fsa and b.fsa, reached together over arcs of equal labels. Where epsilons are special, each side
// may also follow its own epsilons alone, a's before b's (the filter of Mohri, Pereira and Riley, so that no path is
// found twice). States are numbered as they are met, breadth first; those that lead nowhere stay.
//
// Where `phi` is above 0, arcs of b with this label are failure arcs (Aho and Corasick 1975): a state of b that has no arc
// with the label that is looked for, -1 too, takes the arcs that the state at the end of its failure arc has, and so on. The
// ragged map then holds the failure arcs that were gone through before arc map_b. Throws FstError where a state has two of
// them, where they go round, and where a has the label.
FsaRagged fsa_intersect(const FsaGraphs& a, const FsaGraphs& b, std::span<const std::int32_t> a_of,
                        std::span<const std::int32_t> b_of, bool epsilons, std::int32_t phi, int threads);

// For each state a number of its block, counted from 0 within each automaton in the order of states: those of a block have
// the same keys and scores (as multiples of `delta`) on arcs to the same blocks, each the same number of times.
std::vector<std::int32_t> fsa_bisimilar_states(const FsaGraphs& graphs, const std::int32_t* keys, const float* scores,
                                               float delta, int threads);

// For each state the first arc of a best path to the final state, -1 for that one and where there is none. Throws FstError
// where a cycle gains.
std::vector<std::int32_t> fsa_best_onward(const FsaGraphs& graphs, const double* scores, const char* operation);

// Each label once at each state, epsilon being a label like others; of the paths of a sequence the best one. Stops with
// FstError at max_states (0: what half of the memory holds), as one that cannot be determinized grows without end.
struct FsaDeterminized {
  FsaRagged fsas;
  // Of each state the ways that led to it, and of each way the arcs that were not given out before.
  std::vector<std::int32_t> way_splits{0}, left_splits{0}, left_values;
};
FsaDeterminized fsa_determinize(const FsaGraphs& graphs, const float* scores, std::uint64_t max_states, int threads);

// The same sequences and best scores without label 0. States that lead nowhere may stay. Throws FstError where epsilons
// go round and gain.
FsaRagged fsa_remove_epsilons(const FsaGraphs& graphs, const float* scores);

// The frames of a batch of recordings: rows of scores, column label + 1; each recording's last row is for label -1.
template <class T>
struct DenseFsas {
  const T* scores;
  std::size_t columns;
  std::span<const std::int32_t> row_splits;
};

struct DenseLimits {
  double beam;
  std::int64_t max_states, max_arcs;
};

// Automata a_of[i] of `a` with recordings b_of[i]: all arcs on a path whose score is within the beam of the best one, exactly
// (by the best scores from the start and to the end). One state for each frame and state of `a` that is reached then.
// map_b holds offsets into the scores of the recordings; the scores of arcs are sums of both, and in their bits too. Where
// that is more than may be, the beam is made smaller for that automaton.
template <class T>
FsaLattice<T> fsa_intersect_dense(const FsaGraphs& a, const T* scores, const DenseFsas<T>& dense,
                                  std::span<const std::int32_t> a_of, std::span<const std::int32_t> b_of,
                                  const DenseLimits& limits, int threads);

}  // namespace sonant

// Lattices: what a search found, with a transition-id as input label and a word as output label of an arc, and compact
// ones, acceptors of words with strings of transition-ids in their weights. Each algorithm is in a file of its own.
//
// All take lattices without cycles, in any order of their states, and throw FstError where there is a cycle.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

using Lattice = Fst<LatticeWeight>;
using CompactLattice = Fst<CompactWeight>;

inline double cost_of(LatticeWeight w) { return double(w.graph) + double(w.acoustic); }
inline double cost_of(const CompactWeight& w) { return cost_of(w.weight); }

// States in an order in which arcs lead forward, the present one where that is such an order.
template <class W>
std::vector<StateId> in_order(const View<W>& lattice, const Work& work);
// The lattice with its states in such an order, itself where it is.
template <class W>
Fst<W> sorted(const Fst<W>& lattice, const char* operation);

// ---- Determinization (csrc/lattice/determinize.cpp)

struct LatticeDeterminizeOptions {
  double beam = 10;
  float delta = kDelta;              // costs of subsets that are closer are taken for equal
  std::int64_t max_memory = -1;      // bytes by Kaldi's count; what is not within them is left out. Negative: any
  std::int64_t max_loop = -1;        // steps along epsilons from one subset
  std::int64_t max_states = -1, max_arcs = -1;
  double retry_cutoff = 0.5;         // where less than this part of the beam was reached it is tried again with less
};

// Of each string of words the best path, of those within the beam. `complete`: no limit stopped it.
CompactLattice determinize_pruned(const Lattice& lattice, const LatticeDeterminizeOptions& options, bool& complete);
// The same with strings on chains of arcs; words are the input labels then, transition-ids the output labels.
Lattice determinize_pruned_chains(const Lattice& lattice, const LatticeDeterminizeOptions& options, bool& complete);

// Kaldi's DeterminizeLatticePhonePruned: first with phones among the words, which keeps subsets small, then without.
// phones[t] is the phone that transition-id t begins, 0 where it begins none.
struct PhoneDeterminizeOptions {
  LatticeDeterminizeOptions pruned;
  bool phones = true, words = true, minimize = false;
};
CompactLattice determinize_phone_pruned(const Lattice& lattice, std::span<const std::int32_t> phones,
                                        const PhoneDeterminizeOptions& options, bool& complete);

// ---- Minimization and pushing (csrc/lattice/minimize.cpp)

// What all strings that leave a state begin with moves to the arcs that come to it. Sorted by topology.
CompactLattice push_strings(const CompactLattice& lattice);
// Best costs to the end move towards the start, whose own stays.
CompactLattice push_lattice_weights(const CompactLattice& lattice);
// States with the same arcs and final weights, up to `delta`, become one, from the end on.
CompactLattice minimize_lattice(const CompactLattice& lattice, float delta);

// ---- Scores (csrc/lattice/scores.cpp)

// Costs of all paths from the start to each state, and from there to the end: the best one's where `best`, or the sum
// of their probabilities.
struct LatticeCosts {
  std::vector<double> forward, backward;
  double total = std::numeric_limits<double>::infinity();
};
template <class W>
LatticeCosts lattice_costs(const View<W>& lattice, bool best);

// Frames from the start to each state, -1 where it does not lead there; FstError where two ways are not equally long.
// `frames`: those of a path to the end, the longest.
struct LatticeTimes {
  std::vector<std::int32_t> times;
  std::int32_t frames = 0;
};
template <class W>
LatticeTimes lattice_times(const View<W>& lattice);

// The probability of each arc, in the order of states.
template <class W>
std::vector<double> arc_posteriors(const View<W>& lattice);

// The probability of each label at each frame, those of a frame in order; probability of the lattice, expected
// acoustic score.
struct FramePosteriors {
  std::vector<std::uint32_t> begin;  // of each frame, and the end
  std::vector<std::int32_t> labels;
  std::vector<float> probabilities;
  double total = 0, acoustic = 0;
};
FramePosteriors frame_posteriors(const View<LatticeWeight>& lattice);
// How much better than the expectation (`total`) paths with each label are, times its probability: the derivative of the
// expected accuracy (Povey, "Discriminative training for large vocabulary speech recognition", 2003). `accuracies` are
// those of the arcs, in the order of states.
FramePosteriors accuracy_posteriors(const View<LatticeWeight>& lattice, std::span<const float> accuracies);

// How many arcs cross each frame.
std::vector<std::int32_t> depth_per_frame(const View<CompactWeight>& lattice);
// The best `most` arcs of each frame stay.
CompactLattice limit_depth(const CompactLattice& lattice, std::size_t most);
// `penalty` is added to the graph cost of each arc with a word.
template <class W>
Fst<W> add_word_penalty(const Fst<W>& lattice, float penalty);
// The most words that a path has.
template <class W>
std::int32_t longest_sentence(const View<W>& lattice);

// ---- Oracle (csrc/lattice/oracle.cpp)

struct OraclePath {
  CompactLattice path;
  std::int32_t insertions = 0, deletions = 0, substitutions = 0;
};
OraclePath oracle_path(const CompactLattice& lattice, const std::vector<Label>& reference);

// ---- Keyword search (csrc/lattice/keyword_index.cpp)

// All sequences of words in the lattice, as input labels, with their costs and times: to be determinized by words. The
// last arc of each has `utterance` as output label, and an input label that tells its time from others. Silences of
// more than `max_silence` frames part sequences; negative: none do.
Fst<KwsIndexWeight> keyword_index(const CompactLattice& lattice, Label utterance, int max_silence);

// ---- Minimum Bayes risk (csrc/lattice/mbr.cpp)

struct MbrOptions {
  bool decode = true;         // look for the words with the least risk; else those given, or the best path's
  bool print_silence = false;  // gaps are words, too
};
struct Bin {  // a position of the sausage
  double begin = 0, end = 0;  // frames
  struct Word {
    Label word;
    float probability, begin, end;
  };
  std::vector<Word> words;  // likely ones first
};
struct MbrResult {
  std::vector<Label> words;
  std::vector<std::pair<float, float>> times;  // frames
  std::vector<float> confidences;
  double risk = 0;  // expected number of wrong words
  std::vector<Bin> sausage;
};
MbrResult minimum_bayes_risk(const CompactLattice& lattice, const std::vector<Label>* words, const MbrOptions& options);

}  // namespace sonant

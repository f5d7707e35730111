// HMMs in decoding graphs: the transducer H from transition-ids to phones in context, self-loops, and transition
// probabilities, all of a transition model in the form of tables (Kaldi's hmm/hmm-utils; the numbering of states and
// the order of arcs are Kaldi's).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fst/work.h"

namespace sonant {

inline constexpr std::int32_t kNoPdf = -1;

// The topology's entries, one after another: entry e has the states first_state[e] to first_state[e + 1], state s
// the transitions first_transition[s] to first_transition[s + 1] with their destinations within the entry. The last
// state of an entry is its end. A transition-state (from 1) is a row of `tuples`, and its transitions in the order of
// the topology are the transition-ids (from 1).
struct TransitionTables {
  std::vector<std::int32_t> entry_of;          // by phone; -1: it has none
  std::vector<std::int32_t> first_state;       // by entry
  std::vector<std::int32_t> pdf_classes;       // by state: of its transitions, of its self-loop; kNoPdf: emits nothing
  std::vector<std::int32_t> first_transition;  // by state
  std::vector<std::int32_t> destination;       // by transition
  std::vector<float> probability;              // by transition; only those of states that emit nothing are used
  std::vector<std::int32_t> tuples;            // (phone, state, forward pdf, self-loop pdf), sorted
  std::vector<float> log_probs;                // by transition-id; number 0 is of none
};

class Transitions {
 public:
  // FstError where the tables do not fit together.
  explicit Transitions(TransitionTables tables);

  std::int32_t num_ids() const { return std::int32_t(state_of_.size()) - 1; }
  std::int32_t num_states() const { return std::int32_t(tables_.tuples.size() / 4); }
  std::int32_t state_of(std::int32_t id) const { return state_of_[id]; }
  std::int32_t self_loop_of(std::int32_t state) const { return self_loop_of_[state]; }  // 0: it has none
  bool is_self_loop(std::int32_t id) const { return self_loop_of_[state_of_[id]] == id; }
  float log_prob(std::int32_t id) const { return tables_.log_probs[id]; }
  // The logarithm of one less the self-loop's probability.
  float non_self_loop(std::int32_t state) const { return non_self_loop_[state]; }
  std::int32_t first_id(std::int32_t state) const { return first_id_[state]; }
  // FstError where there is no such transition-state.
  std::int32_t state(std::int32_t phone, std::int32_t hmm_state, std::int32_t forward, std::int32_t self_loop) const;
  const TransitionTables& tables() const { return tables_; }

 private:
  TransitionTables tables_;
  std::vector<std::int32_t> first_id_, self_loop_of_;  // by transition-state
  std::vector<std::int32_t> state_of_;                 // by transition-id
  std::vector<float> non_self_loop_;                   // by transition-state
};

// The windows of the labels of C, and the pdfs that a tree gives them: those of label i are symbols[begins[i]] to
// symbols[begins[i + 1]], and pdfs[i * classes + c] for each pdf-class c of the phone in the middle.
struct ContextLabels {
  std::span<const std::int64_t> begins;
  std::span<const std::int32_t> symbols;
  int width = 1, central = 0;
  std::span<const std::int32_t> pdfs;
  std::size_t classes = 0;
};

struct HTransducer {
  Fst<TropicalWeight> fst;
  std::vector<Label> disambig;  // the input labels of the disambiguation symbols, above the transition-ids
};

// H: from its only final state, which is the start, a way for each label with the label as output. The ways of labels
// with the same phone and pdfs are one but for the first arc. A way is the phone's HMM without self-loops: it reads
// transition-ids, and costs the probability of each among those that leave its state, times `transition_scale`. The
// HMM's first state is that of the loop where only one arc leaves it and none comes back to it. A disambiguation
// symbol is a way of one arc.
HTransducer h_transducer(const ContextLabels& labels, const Transitions& transitions, float transition_scale,
                         Bounds bounds);

struct SelfLoopOptions {
  float scale = 1;
  // Self-loops come after the transition that leaves their state: of what came in, at the state that it leads to;
  // or before it.
  bool reorder = true;
  bool check = true;  // FstError where there are self-loops already
  Bounds bounds;
};

// A graph with the self-loops of its transition-ids; costs of what leaves a state grow by that of not looping. States
// with transition-ids of several transition-states come apart by epsilons first. `disambig` are the labels above the
// transition-ids that may be there (sorted).
Fst<TropicalWeight> add_self_loops(const Fst<TropicalWeight>& fst, const Transitions& transitions,
                                   std::span<const Label> disambig, const SelfLoopOptions& options);

// The costs of transition probabilities, on graphs that were made without them; scales as for H and for self-loops.
// Of lattices the graph cost grows.
template <class W>
Fst<W> add_transition_probs(const Fst<W>& fst, const Transitions& transitions, std::span<const Label> disambig,
                            float transition_scale, float self_loop_scale);

}  // namespace sonant

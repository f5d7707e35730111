// The context transducer C of decoding graphs, inverted, made as it is asked for.
//
// C turns windows of N phones, the P-th of which (from 0) is the one that is modelled, into that phone. Its inverse is
// deterministic. A state is the N - 1 phones that were read last, 0 before the first one. On a phone p in the state h
// it goes to the state that drops the first of h and appends p, and writes the label of the window (h, p):
//
//   - as long as the window has no phone at P (h is still filled with zeros) it writes #-1, whose window is [0]; that
//     happens only where C looks ahead, P < N - 1;
//   - the N - P - 1 phones that are waited for after the last one are symbols of their own, "subsequential" ones,
//     which a graph offers at its end; in windows they are zeros. After one of them no phone may come, and a state
//     is final when the phone at P would be one of them;
//   - a disambiguation symbol d loops at each state and writes a label whose window is [-d].
//
// Labels are numbered as they come: 0 is epsilon (its window is empty), 1 is #-1 where there is one. States are
// numbered as they come, too; both numberings are Kaldi's (fstext/context-fst; Mohri, Pereira, Riley, "Weighted
// finite-state transducers in speech recognition", Computer Speech and Language 16, 2002).
#pragma once

#include <vector>

#include "fst/work.h"
#include "pair_map.h"
#include "fst/sequences.h"

namespace sonant {

class InverseContext {
 public:
  struct Step {
    Label olabel = 0;
    StateId next = kNoState;  // there is no such arc
  };
  // FstError where the symbols are not positive, or one has two meanings. 0: there is no subsequential symbol.
  InverseContext(Label subsequential, std::vector<Label> phones, std::vector<Label> disambig, int width, int central);

  StateId start() const { return 0; }
  bool is_final(StateId s) const;
  // FstError for a label that is none of the symbols, and for a state that is not there.
  Step step(StateId s, Label label);
  std::size_t num_states() const { return states_.size(); }
  const Sequences& windows() const { return windows_; }
  Label subsequential() const { return subsequential_; }
  // Whether what is composed with it must end in subsequential symbols.
  bool looks_ahead() const { return central_ + 1 < width_; }

 private:
  enum class Kind : std::uint8_t { kNone, kPhone, kDisambig, kSubsequential };
  void declare(Label label, Kind kind, const char* what);
  Step made(StateId s, Label label);

  Label subsequential_;
  int width_, central_;
  std::vector<Kind> kinds_;  // by label
  Sequences states_, windows_;
  PairMap known_;  // (state, label) -> place in steps_
  std::vector<Step> steps_;
  std::vector<Label> scratch_;
};

// An automaton with another final state, where the symbol loops, and arcs to it from the final ones with their final
// costs: what C is asked for at the end.
Fst<TropicalWeight> add_subsequential_loop(const Fst<TropicalWeight>& fst, Label symbol);

// C composed with an automaton over phones and disambiguation symbols, whose output labels stay. Where C looks ahead
// and the automaton is not `ended`, it is taken as if it had that loop. Nothing is trimmed. Numbered as Kaldi does it.
Fst<TropicalWeight> compose_context(const Fst<TropicalWeight>& fst, InverseContext& context, bool ended,
                                    Bounds bounds);

}  // namespace sonant

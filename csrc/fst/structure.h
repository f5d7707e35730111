// What changes the shape of automata and leaves weights alone: connect, rational operations, labels.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

// Without the states that no successful path goes through; the others keep their order. The same automaton, without
// a copy, where there are none.
template <class W>
Fst<W> connect(const Fst<W>& fst);

// Whether a path from the start leads back to it.
template <class W>
bool start_in_cycle(const Fst<W>& fst);

// The rational operations (Mohri, "Weighted automata algorithms", in: Handbook of Weighted Automata, 2009), with
// epsilon arcs as glue. Where an automaton's start state has no arc into it no state is added.
template <class W>
Fst<W> union_of(const Fst<W>& a, const Fst<W>& b);
template <class W>
Fst<W> concat(const Fst<W>& a, const Fst<W>& b);
// Zero or more times (`plus`: one or more times).
template <class W>
Fst<W> closure(const Fst<W>& fst, bool plus);

// Every path backwards. State 0 is new and leads to what were final states; without `super_initial` a single final
// state becomes the start itself if that can be.
template <class W>
Fst<W> reverse(const View<W>& fst, bool super_initial);
// The same states with all arcs turned, weights as they are, nothing final and no start: for searches backwards.
template <class W>
Fst<W> turned(const View<W>& fst);

enum class Labels { kInput, kOutput };

// Both labels become that of one side.
template <class W>
Fst<W> project(const Fst<W>& fst, Labels side);
// Input and output change places.
template <class W>
Fst<W> invert(const Fst<W>& fst);

using LabelMap = std::unordered_map<Label, Label>;
template <class W>
Fst<W> relabel(const Fst<W>& fst, const LabelMap& input, const LabelMap& output);

// ---- Mappers (OpenFst's arc mappers and state mappers). Zero stays zero.

enum class Mapper {
  kIdentity,
  kInputEpsilon,   // input labels become epsilon
  kOutputEpsilon,  // output labels become epsilon
  kInvert,         // weights become their inverse
  kPlus,           // weight is added (semiring sum)
  kPower,          // weight to a power
  kQuantize,       // rounded to multiples of delta
  kRemoveWeight,
  kSuperFinal,     // one final state, with weight one, that epsilons lead to
  kTimes,          // weight is multiplied from the right
  kArcSum,         // arcs with the same labels and destination become one, weights summed
  kArcUnique,      // of equal arcs one stays
};

template <class W>
Fst<W> mapped(const Fst<W>& fst, Mapper mapper, const W& weight, double power, float delta);

}  // namespace sonant

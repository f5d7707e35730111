// What is known of an automaton, as OpenFst's property bits: files hold them, and algorithms choose by them.
//
// Each property that can be true or false has two bits, one for "it holds" and one for "it does not"; neither is
// set where it is not known.
#pragma once

#include <cstdint>

namespace sonant::properties {

using Bits = std::uint64_t;

inline constexpr Bits kExpanded = 1, kMutable = 2, kError = 4;
inline constexpr Bits kAcceptor = Bits(1) << 16, kNotAcceptor = Bits(1) << 17;
inline constexpr Bits kIDeterministic = Bits(1) << 18, kNonIDeterministic = Bits(1) << 19;
inline constexpr Bits kODeterministic = Bits(1) << 20, kNonODeterministic = Bits(1) << 21;
inline constexpr Bits kEpsilons = Bits(1) << 22, kNoEpsilons = Bits(1) << 23;  // arcs with both labels epsilon
inline constexpr Bits kIEpsilons = Bits(1) << 24, kNoIEpsilons = Bits(1) << 25;
inline constexpr Bits kOEpsilons = Bits(1) << 26, kNoOEpsilons = Bits(1) << 27;
inline constexpr Bits kILabelSorted = Bits(1) << 28, kNotILabelSorted = Bits(1) << 29;
inline constexpr Bits kOLabelSorted = Bits(1) << 30, kNotOLabelSorted = Bits(1) << 31;
inline constexpr Bits kWeighted = Bits(1) << 32, kUnweighted = Bits(1) << 33;
inline constexpr Bits kCyclic = Bits(1) << 34, kAcyclic = Bits(1) << 35;
inline constexpr Bits kInitialCyclic = Bits(1) << 36, kInitialAcyclic = Bits(1) << 37;
inline constexpr Bits kTopSorted = Bits(1) << 38, kNotTopSorted = Bits(1) << 39;
inline constexpr Bits kAccessible = Bits(1) << 40, kNotAccessible = Bits(1) << 41;
inline constexpr Bits kCoAccessible = Bits(1) << 42, kNotCoAccessible = Bits(1) << 43;
inline constexpr Bits kString = Bits(1) << 44, kNotString = Bits(1) << 45;
inline constexpr Bits kWeightedCycles = Bits(1) << 46, kUnweightedCycles = Bits(1) << 47;

inline constexpr Bits kBinary = kExpanded | kMutable | kError;
inline constexpr Bits kTrinary = 0x0000ffffffff0000;
inline constexpr Bits kPositive = 0x0000555555550000, kNegative = 0x0000aaaaaaaa0000;
inline constexpr Bits kCopied = kError | kTrinary;
// Those that need a walk along the arcs, and those that one look at each arc tells.
inline constexpr Bits kOfWalk = kCyclic | kAcyclic | kInitialCyclic | kInitialAcyclic | kAccessible | kNotAccessible |
                                kCoAccessible | kNotCoAccessible;
inline constexpr Bits kOfCycles = kWeightedCycles | kUnweightedCycles;

// Of the automaton without states.
inline constexpr Bits kNull = kAcceptor | kIDeterministic | kODeterministic | kNoEpsilons | kNoIEpsilons |
                              kNoOEpsilons | kILabelSorted | kOLabelSorted | kUnweighted | kAcyclic |
                              kInitialAcyclic | kTopSorted | kAccessible | kCoAccessible | kString | kUnweightedCycles;

// Both bits of every property of which one bit is set.
constexpr Bits known(Bits bits) {
  return kBinary | (bits & kTrinary) | ((bits & kPositive) << 1) | ((bits & kNegative) >> 1);
}

// ---- What is still known after a change (OpenFst's rules, so that our files carry the bits that its own do).

inline constexpr Bits kOfStart = kInitialCyclic | kInitialAcyclic | kAccessible | kNotAccessible | kString | kNotString;
inline constexpr Bits kOfFinal = kCoAccessible | kNotCoAccessible | kString | kNotString;
inline constexpr Bits kOfSorting = kILabelSorted | kNotILabelSorted | kOLabelSorted | kNotOLabelSorted;

inline Bits after_set_start(Bits b) {
  const Bits kept = b & ~kOfStart;
  return b & kAcyclic ? kept | kInitialAcyclic : kept;
}

// `plain`: zero or one, which carry no weight.
inline Bits after_set_final(Bits b, bool old_plain, bool new_plain) {
  if (!old_plain) b &= ~kWeighted;
  if (!new_plain) b = (b | kWeighted) & ~kUnweighted;
  return b & ~kOfFinal;
}

inline Bits after_add_state(Bits b) { return b & ~(kAccessible | kCoAccessible | kString); }

struct ArcFacts {
  std::int32_t ilabel, olabel;
  bool plain;  // its weight is zero or one
};

// Sets `holds` and clears `fails` where the condition is met.
inline void mark(Bits& b, bool condition, Bits holds, Bits fails) {
  if (condition) b = (b | holds) & ~fails;
}

inline void mark_arc(Bits& b, const ArcFacts& arc) {
  mark(b, arc.ilabel != arc.olabel, kNotAcceptor, kAcceptor);
  mark(b, arc.ilabel == 0, kIEpsilons, kNoIEpsilons);
  mark(b, arc.ilabel == 0 && arc.olabel == 0, kEpsilons, kNoEpsilons);
  mark(b, arc.olabel == 0, kOEpsilons, kNoOEpsilons);
  mark(b, !arc.plain, kWeighted, kUnweighted);
}

inline Bits after_add_arc(Bits b, std::int32_t state, const ArcFacts& arc, std::int32_t nextstate,
                          const ArcFacts* previous) {
  mark_arc(b, arc);
  if (previous) {
    mark(b, previous->ilabel > arc.ilabel, kNotILabelSorted, kILabelSorted);
    mark(b, previous->olabel > arc.olabel, kNotOLabelSorted, kOLabelSorted);
  }
  mark(b, nextstate <= state, kNotTopSorted, kTopSorted);
  b &= kBinary | kNotAcceptor | kNonIDeterministic | kNonODeterministic | kEpsilons | kIEpsilons | kOEpsilons |
       kNotILabelSorted | kNotOLabelSorted | kWeighted | kCyclic | kInitialCyclic | kNotTopSorted | kAccessible |
       kCoAccessible | kWeightedCycles | kAcceptor | kNoEpsilons | kNoIEpsilons | kNoOEpsilons | kILabelSorted |
       kOLabelSorted | kUnweighted | kTopSorted;
  return b & kTopSorted ? b | kAcyclic | kInitialAcyclic : b;
}

inline Bits after_set_arc(Bits b, const ArcFacts& old_arc, const ArcFacts& new_arc) {
  if (old_arc.ilabel != old_arc.olabel) b &= ~kNotAcceptor;
  if (old_arc.ilabel == 0) b &= ~kIEpsilons;
  if (old_arc.ilabel == 0 && old_arc.olabel == 0) b &= ~kEpsilons;
  if (old_arc.olabel == 0) b &= ~kOEpsilons;
  if (!old_arc.plain) b &= ~kWeighted;
  mark_arc(b, new_arc);
  return b & (kBinary | kAcceptor | kNotAcceptor | kEpsilons | kNoEpsilons | kIEpsilons | kNoIEpsilons | kOEpsilons |
              kNoOEpsilons | kWeighted | kUnweighted);
}

inline Bits after_delete_states(Bits b) {
  return b & (kBinary | kAcceptor | kIDeterministic | kODeterministic | kNoEpsilons | kNoIEpsilons | kNoOEpsilons |
              kILabelSorted | kOLabelSorted | kUnweighted | kAcyclic | kInitialAcyclic | kTopSorted |
              kUnweightedCycles);
}

inline Bits after_delete_arcs(Bits b) {
  return after_delete_states(b) | (b & (kNotAccessible | kNotCoAccessible));
}

inline Bits after_arc_sort(Bits b, bool by_output) {
  const Bits sorted = by_output ? kOLabelSorted : kILabelSorted;
  return (b & ~kOfSorting) | sorted | (b & kAcceptor ? kILabelSorted | kOLabelSorted : 0);
}

}  // namespace sonant::properties

// Alignment of compact lattices: arcs that hold the transition-ids of one word, or of one phone, each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lattice/lattice.h"

namespace sonant {

// What a model says of transition-ids; entry 0 is of none.
struct Transitions {
  std::span<const std::int32_t> phones;
  std::span<const std::uint8_t> last;        // leads out of the phone
  std::span<const std::uint8_t> self_loops;
};

enum class PhoneType : std::uint8_t { kNone, kBegin, kEnd, kBeginAndEnd, kInternal, kNonWord };

struct WordBoundaries {
  std::span<const std::uint8_t> types;  // PhoneType of each phone
  bool reorder = true;                  // self-loops come behind the transition out of their state
  Label silence = 0, partial = 0;       // words of silences, and of words that are cut off at the end
};

// `flaw`: empty where all is well. The first thing that was wrong otherwise: the lattice was cut off in the middle of a
// word, or does not fit the model.
struct Aligned {
  CompactLattice lattice;
  std::string flaw;
};

// FstError beyond `max_states` (0: any number), and for transition-ids that the model does not have.
Aligned align_words(const CompactLattice& lattice, const Transitions& transitions, const WordBoundaries& words,
                    std::uint64_t max_states);

struct PhoneAlignment {
  bool reorder = true;
  bool remove_epsilons = true;  // arcs without transition-ids or words
  bool phones_as_words = false;
};
Aligned align_phones(const CompactLattice& lattice, const Transitions& transitions, const PhoneAlignment& options);

// A pronunciation: the word in the lattice (0: none), the word of the result, and the phones.
struct LexiconEntry {
  Label word = 0, result = 0;
  std::vector<std::int32_t> phones;
};

struct LexiconAlignment {
  bool reorder = true;
  Label partial = 0;             // the word of what is cut off at the end
  std::uint64_t max_states = 0;  // 0: any number
};
// By what phones words have, rather than by where phones stand in words. Paths that no pronunciations fit are left out;
// where none fit at all what is left over is put on arcs with `partial`, and `flaw` says so.
Aligned align_words_by_lexicon(const CompactLattice& lattice, const Transitions& transitions,
                               const std::vector<LexiconEntry>& lexicon, const LexiconAlignment& options);

}  // namespace sonant

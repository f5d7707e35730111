// OpenFst's files of other types than vector and const, behind their headers.
#pragma once

#include "fst.h"
#include "input.h"

namespace sonant {

// The compact n-gram automaton of OpenFst's ngram extension (Sorensen and Allauzen, "Unary data structures for
// language models", Interspeech 2011): a tree of contexts as one string of bits, the words that follow each context
// as another, words and costs side by side. It becomes an automaton with its states and arcs in OpenFst's order: the
// backoff (an epsilon) first, then the words.
template <class W>
Fst<W> read_ngram_fst(Input& in, StateId start, properties::Bits bits);

// Wrappers of look-ahead matchers: an automaton, then what is known of the labels that can be reached.
inline bool is_lookahead(const std::string& fst_type) {
  return fst_type == "olabel_lookahead" || fst_type == "ilabel_lookahead";
}
inline constexpr std::int32_t kAddOnMagic = 446681434;

// Reads over the add-on that stands behind the automaton of a wrapper, and checks it: it can be computed again.
void skip_addon(Input& in);

}  // namespace sonant

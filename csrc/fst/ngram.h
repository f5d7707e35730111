// The compact n-gram automaton of OpenFst's ngram extension (Sorensen and Allauzen, "Unary data structures for language
// models", Interspeech 2011), used as it lies in a file.
//
// States are contexts of words. They are the nodes of a tree, numbered level by level: a node's word stands before the
// words of its parent's context, and siblings are sorted by it. Three strings of bits, in 64-bit words:
//   contexts   "10", then for each node a 1 for each child and a 0
//   following  "0", then for each node a 1 for each word that follows its context and a 0
//   finals     1 where a node is final
// and tables side by side: the word of each node and one more, the following words of all nodes, the cost of each
// node's backoff and one more, the costs of final nodes, the costs of the following words and one more.
//
// As an automaton: from each node but the root a backoff (an epsilon) leads to the parent, and then an arc for each
// following word to the longest context that the context and the word end in.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "fst/fst.h"
#include "files/input.h"
#include "files/output.h"

namespace sonant {

// A string of bits that may lie anywhere in memory; counts of ones for every 512 bits make look-ups fast.
class BitString {
 public:
  BitString() = default;
  BitString(const char* words, std::uint64_t length);
  bool operator[](std::uint64_t at) const { return word(at / 64) >> (at % 64) & 1; }
  std::uint64_t size() const { return length_; }
  std::uint64_t ones() const { return ones_; }
  // Ones before a position.
  std::uint64_t rank(std::uint64_t at) const;
  // The position of the k-th one or zero, counted from 0.
  std::uint64_t select_one(std::uint64_t k) const { return select<true>(k); }
  std::uint64_t select_zero(std::uint64_t k) const { return select<false>(k); }

 private:
  static constexpr std::uint64_t kBlock = 512;
  std::uint64_t word(std::uint64_t i) const {
    std::uint64_t value;
    __builtin_memcpy(&value, words_ + 8 * i, 8);
    return value;
  }
  template <bool one>
  std::uint64_t select(std::uint64_t k) const;

  const char* words_ = nullptr;
  std::uint64_t length_ = 0, ones_ = 0;
  std::vector<std::uint32_t> before_;  // ones before each block, and all of them
};

template <class W>
class NgramFst {
 public:
  // Behind the header and the symbol tables. ArkError where it is none; the tables are mapped where that can be.
  static std::shared_ptr<const NgramFst> read(Input& in, StateId start, bool map);
  // Of an automaton that is one of n-grams with backoff: states are numbered anew. FstError where it is none.
  static std::shared_ptr<const NgramFst> of(const Fst<W>& fst);

  StateId start() const { return start_; }
  std::size_t num_states() const { return n_; }
  std::size_t num_arcs() const { return futures_ + n_ - 1; }
  W final(StateId s) const;
  // What stands in a file behind header and symbols.
  void write(Output& out) const {
    out.write(counts_, sizeof counts_);
    out.write(data_, size_);
  }
  std::uint64_t num_bytes() const { return sizeof counts_ + size_; }
  std::uint64_t resident_bytes() const { return owned_.size(); }  // 0 where it is mapped

  // Following words of a state: [begin, end) in the tables.
  std::uint64_t words_begin(StateId s) const { return following_.select_zero(std::uint64_t(s)) - std::uint64_t(s); }
  Label word(std::uint64_t i) const { return load<Label>(words_, i); }
  W cost(std::uint64_t i) const { return load<W>(costs_, i); }
  W backoff(StateId s) const { return load<W>(backoffs_, std::uint64_t(s)); }
  StateId parent(StateId s) const {
    // The zeros before its one, but for the first.
    return static_cast<StateId>(contexts_.select_one(std::uint64_t(s)) - std::uint64_t(s) - 1);
  }
  Label context_word(StateId s) const { return load<Label>(context_words_, std::uint64_t(s)); }
  StateId child(StateId s, Label word) const;  // kNoState where there is none
  // The words of its context, the last one first.
  void history(StateId s, std::vector<Label>& words) const;
  StateId next(std::span<const Label> history, Label word) const;
  // Labels in order and costs that can be; looked at once. FstError else.
  void check() const;

  Fst<W> expand(properties::Bits bits) const;

 private:
  template <class T>
  static T load(const char* table, std::uint64_t i) {
    T value;
    __builtin_memcpy(&value, table + sizeof(T) * i, sizeof(T));
    return value;
  }
  void look(const char* data);  // sets the tables; the counts are there

  void set_counts();

  StateId start_ = 0;
  std::uint64_t counts_[3] = {};
  std::uint64_t n_ = 0, futures_ = 0, finals_ = 0;
  const char* data_ = nullptr;  // the tables, behind the counts
  std::size_t size_ = 0;
  BitString contexts_, following_, is_final_;
  const char *context_words_ = nullptr, *words_ = nullptr, *backoffs_ = nullptr, *final_costs_ = nullptr,
             *costs_ = nullptr;
  std::vector<char> owned_;
  std::shared_ptr<Mapping> mapping_;
  mutable std::atomic<bool> checked_ = false;
};

// What is true of every such automaton: the property bits that OpenFst writes.
inline constexpr properties::Bits kNgramProperties =
    properties::kExpanded | properties::kAcceptor | properties::kIDeterministic | properties::kODeterministic |
    properties::kEpsilons | properties::kIEpsilons | properties::kOEpsilons | properties::kILabelSorted |
    properties::kOLabelSorted | properties::kWeighted | properties::kCyclic | properties::kInitialAcyclic |
    properties::kNotTopSorted | properties::kAccessible | properties::kCoAccessible | properties::kNotString;

}  // namespace sonant

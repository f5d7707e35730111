// Automata in OpenFst's binary files (https://www.openfst.org, fst/fst.h, vector-fst.h, const-fst.h), little-endian.
//
// Header: magic number, type of automaton ("vector", "const"), type of arc, version, flags (1 input symbols follow,
// 2 output symbols follow, 4 aligned), properties, start, number of states, number of arcs (0 in vector files).
// vector: for each state its final weight, an int64 count and the arcs. const: a table of states and one of arcs,
// each at a multiple of 16 bytes where aligned (version 1). No count of a file is trusted: memory grows with what
// has been read.
#pragma once

#include <string>
#include <variant>

#include "fst/fst.h"
#include "fst/lookahead.h"
#include "fst/ngram.h"
#include "files/input.h"
#include "files/output.h"

namespace sonant {

using AnyFst = std::variant<Fst<TropicalWeight>, Fst<LogWeight>, Fst<LatticeWeight>, Fst<CompactWeight>,
                            Fst<KwsIndexWeight>>;

struct FstFile {
  AnyFst fst;
  std::string format;               // "vector", "const", "ngram" or one of look-ahead wrappers
  std::string isymbols, osymbols;   // binary symbol tables that the file holds, or empty
  std::shared_ptr<const Reachability> reach;  // of a look-ahead wrapper
};

using AnyNgramFst = std::variant<std::shared_ptr<const NgramFst<TropicalWeight>>,
                                 std::shared_ptr<const NgramFst<LogWeight>>>;

struct NgramFile {
  AnyNgramFst fst;
  std::string isymbols, osymbols;
};

inline constexpr std::int32_t kFstMagic = 2125659606, kSymbolsMagic = 2125658996;

struct ReadOptions {
  bool whole = false;  // nothing else follows in the input
  bool map = false;    // the tables of a const file are mapped into memory, rather than read, where that can be
};

// Reads one automaton from where the input stands. ArkError where that is not one. lattice8 and the compact lattices
// of 8-byte numbers become lattice4 and compactlattice44.
FstFile read_fst(Input& in, ReadOptions options = {});

// An ngram automaton, not expanded. ArkError where it is another one.
NgramFile read_ngram_fst(Input& in, bool map);

struct WriteOptions {
  bool constant = false;  // a const file, else vector
  bool align = false;     // version 1 of const: its tables at multiples of 16 bytes
  std::string isymbols, osymbols;
};

template <class W>
void write_fst(Output& out, const Fst<W>& fst, const WriteOptions& options);

// In a look-ahead wrapper, as const.
template <class W>
void write_lookahead(Output& out, const Fst<W>& fst, const Reachability& reach, WriteOptions options);

template <class W>
void write_ngram_fst(Output& out, const NgramFst<W>& fst, const std::string& isymbols, const std::string& osymbols);

// Reads a binary symbol table and gives its bytes back.
std::string read_symbols(Input& in);

}  // namespace sonant

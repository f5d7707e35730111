// Automata as text, as OpenFst's fstprint and fstcompile and Kaldi's archives have it: one line an arc
//
//     state nextstate ilabel olabel [weight]        state nextstate label [weight]   (an acceptor)
//
// and one a final state, `state [weight]`; fields are parted by tabs (read: or spaces), a weight of one is left out.
// Weights: "0.5"; of a lattice "graph,acoustic", of a compact one "graph,acoustic,1_2_3".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "fst/fst.h"
#include "files/input.h"

namespace sonant {

struct Symbols {
  std::string name;
  std::unordered_map<std::int64_t, std::string> by_key;
  std::unordered_map<std::string, std::int64_t> by_symbol;
};

struct PrintOptions {
  const Symbols *isymbols = nullptr, *osymbols = nullptr, *ssymbols = nullptr;
  bool acceptor = false;         // one label per arc, where all arcs allow it
  bool show_weight_one = false;
  std::string missing_symbol;    // for labels without a symbol; empty: FstError
};

template <class W>
std::string print_fst(const View<W>& fst, const PrintOptions& options);

struct CompileOptions {
  const Symbols *isymbols = nullptr, *osymbols = nullptr, *ssymbols = nullptr;
  bool acceptor = false;
  bool keep_state_numbering = false;  // else states are numbered as they are met
  bool allow_negative_labels = false;
};

// Throws FstError, which names the line.
template <class W>
Fst<W> compile_fst(std::string_view text, const CompileOptions& options);

// An automaton of a text archive, where the input stands behind the key: a line end, lines, an empty line.
template <class W>
Fst<W> read_text(Input& in);
using AnyLattice = std::variant<Fst<LatticeWeight>, Fst<CompactWeight>>;
AnyLattice read_lattice_text(Input& in);

template <class W>
void print_weight(std::string& to, const W& weight, const StringsOf<W>& strings);
// False where the text is no such weight. A string is added to `strings`.
template <class W>
bool parse_weight(std::string_view text, W& weight, StringsOf<W>& strings);

}  // namespace sonant

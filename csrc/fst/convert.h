// Automata from one semiring into another, and lattices from one form into the other.
#pragma once

#include "fst/fst.h"

namespace sonant {

// Kaldi's ConvertLattice. A lattice has a transition-id as input label and a word as output label; a compact lattice
// is an acceptor of words with strings of transition-ids in its weights. `invert` is that (Kaldi's default); without
// it the output labels are the strings and the input labels the words.
Fst<CompactWeight> to_compact(const View<LatticeWeight>& lattice, bool invert);
Fst<LatticeWeight> to_plain(const View<CompactWeight>& lattice, bool invert);

// Costs: a lattice's two are added, a tropical or logarithmic one becomes a graph cost. Labels stay, strings do not.
template <class To, class From>
Fst<To> convert_fst(const View<From>& fst);

// Kaldi's ScaleLattice: (graph, acoustic) becomes (s0 * graph + s1 * acoustic, s2 * graph + s3 * acoustic).
template <class W>
Fst<W> scale_fst(const View<W>& lattice, const double (&scale)[4]);

Fst<CompactWeight> without_strings(const View<CompactWeight>& lattice);

}  // namespace sonant

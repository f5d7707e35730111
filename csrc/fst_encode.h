// Labels and costs of arcs packed into one label, so that algorithms for acceptors, or for unweighted ones, serve
// transducers; the table turns them back.
#pragma once

#include "fst_builder.h"

namespace sonant {

// Numbers (input label, output label, cost) from 1 on in the order in which they are met, as OpenFst does. What is not
// encoded is left out of the triple.
template <class W>
class EncodeTable {
 public:
  struct Triple {
    Label ilabel, olabel;
    W weight;
  };
  EncodeTable(bool labels, bool weights) : labels_(labels), weights_(weights) {}
  std::size_t size() const { return triples_.size(); }
  // A final cost becomes an arc to a new last state where costs are encoded.
  Fst<W> encode(const Fst<W>& fst);
  // Throws FstError where a label is not one of this table.
  Fst<W> decode(const Fst<W>& fst) const;

 private:
  Label number(const Triple& given);
  const Triple& triple_of(Label label) const;
  bool labels_, weights_;
  std::vector<Triple> triples_;
  HashIndex index_;
};

}  // namespace sonant

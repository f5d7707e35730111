// Labels and costs of arcs packed into one label, so that algorithms for acceptors, or for unweighted ones, serve
// transducers; the table turns them back.
#pragma once

#include <string>

#include "fst/builder.h"
#include "files/input.h"
#include "files/output.h"

namespace sonant {

// What a final cost, which becomes an arc where costs are encoded, has for labels: such as no arc has (OpenFst's
// tables that name their type of arc), or none, as epsilons (those before, and Kaldi's).
enum class EncodedFinals { kOwn, kEpsilon };
inline constexpr Label kFinalLabel = -1;  // both of such a final cost

// Numbers (input label, output label, cost) from 1 on in the order in which they are met, as OpenFst does. What is not
// encoded is left out of the triple.
template <class W>
class EncodeTable {
 public:
  struct Triple {
    Label ilabel, olabel;
    W weight;  // its string is one of strings()
  };
  EncodeTable(bool labels, bool weights, EncodedFinals finals = EncodedFinals::kOwn)
      : labels_(labels), weights_(weights), finals_(finals) {}
  bool labels() const { return labels_; }
  bool weights() const { return weights_; }
  EncodedFinals finals() const { return finals_; }
  std::size_t size() const { return triples_.size(); }
  const StringsOf<W>& strings() const { return strings_; }
  // The label for these of an arc, a new one if need be; the string of the weight is one of `strings`.
  Label number(const Triple& arc, const StringsOf<W>& strings);
  // The same, or 0 where there is none.
  Label find(const Triple& arc, const StringsOf<W>& strings) const;
  // Throws FstError where the label is not one of this table.
  const Triple& triple_of(Label label) const;
  // As a file has it: with a new label, whatever others stand for.
  void append(const Triple& triple, const StringsOf<W>& strings);

  // A final cost becomes an arc to a new last state where costs are encoded.
  Fst<W> encode(const Fst<W>& fst);
  // Arcs without labels to a final state without arcs become final costs; what is on no path goes. Throws FstError
  // where a label is not one of this table.
  Fst<W> decode(const Fst<W>& fst) const;

 private:
  Triple encoded(const Triple& arc) const {
    const bool whole = labels_ || arc.ilabel == kFinalLabel;
    return {arc.ilabel, whole ? arc.olabel : 0, weights_ ? arc.weight : W::one()};
  }
  bool is(std::uint32_t number, const Triple& triple, const StringsOf<W>& strings) const;
  void push(const Triple& triple, const StringsOf<W>& strings);
  bool labels_, weights_;
  EncodedFinals finals_;
  std::vector<Triple> triples_;
  StringsOf<W> strings_;
  HashIndex index_;
};

// OpenFst's files of such tables (fst/encode.h): a magic number, the type of arc, flags in a byte (1 labels, 2 costs,
// 4 and 8: a table of input or output symbols follows at the end), an int64 count and the triples. Older ones do not
// name the type of arc, have the flags in an int32, and final costs as epsilons.
template <class W>
struct EncodeFile {
  EncodeTable<W> table;
  std::string isymbols, osymbols;
};

// The type of arc that the file names where the input stands, of which nothing is taken; empty in an older one.
// ArkError where that is no such file.
std::string encoded_arc_type(Input& in);
template <class W>
EncodeFile<W> read_encode_table(Input& in);
// The older form where final costs are as epsilons.
template <class W>
void write_encode_table(Output& out, const EncodeTable<W>& table, const std::string& isymbols,
                        const std::string& osymbols);

}  // namespace sonant

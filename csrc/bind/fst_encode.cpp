#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <string>

#include "fst/encode.h"
#include "guarded.h"
#include "weights.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

template <class W>
using Encoder = Guarded<EncodeTable<W>>;  // one thread at a time

template <class W>
struct Arrow {
  typename EncodeTable<W>::Triple triple;
  StringsOf<W> strings;
};

template <class W>
Arrow<W> arrow_of_python(Label ilabel, Label olabel, nb::handle weight) {
  Arrow<W> arrow;
  const auto string = [&](LatticeWeight costs, std::span<const std::int32_t> symbols) -> W {
    if constexpr (has_strings<W>) return arrow.strings.add(costs, symbols);
    (void)costs, (void)symbols;
    return W::one();
  };
  arrow.triple = {ilabel, olabel, weight_of_python<W>(weight, string)};
  return arrow;
}

std::string of_bytes(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }
nb::bytes to_bytes(const std::string& text) { return nb::bytes(text.data(), text.size()); }

template <class W>
nb::tuple read_table(Input& in) {
  EncodeFile<W> file = [&] {
    nb::gil_scoped_release no_gil;
    return read_encode_table<W>(in);
  }();
  const int flags = int(file.table.labels()) | int(file.table.weights()) << 1;
  return nb::make_tuple(std::make_unique<Encoder<W>>(std::move(file.table)), flags, to_bytes(file.isymbols),
                        to_bytes(file.osymbols));
}

template <class W>
void bind_table(nb::module_& m, const char* name) {
  using Self = Encoder<W>;
  nb::class_<Self>(m, name, "What encoded labels stand for.")
      .def("__init__",
           [](Self* self, bool labels, bool weights, bool finals_as_epsilons) {
             const auto finals = finals_as_epsilons ? EncodedFinals::kEpsilon : EncodedFinals::kOwn;
             new (self) Self(EncodeTable<W>(labels, weights, finals));
           },
           "labels"_a, "weights"_a, "finals_as_epsilons"_a = false)
      .def_static("read", read_table<W>, "stream"_a)
      .def("write",
           [](Self& self, Output& out, const nb::bytes& isymbols, const nb::bytes& osymbols) {
             self.run([&, i = of_bytes(isymbols), o = of_bytes(osymbols)](auto& table) {
               write_encode_table(out, table, i, o);
             });
           },
           "stream"_a, "isymbols"_a, "osymbols"_a)
      .def("copy", [](Self& self) { return self.run([](auto& table) { return std::make_unique<Self>(table); }); })
      .def("__len__", [](Self& self) { return self.run([](auto& table) { return table.size(); }); })
      .def("number",
           [](Self& self, Label ilabel, Label olabel, nb::handle weight) {
             const Arrow<W> arrow = arrow_of_python<W>(ilabel, olabel, weight);
             return self.run([&](auto& table) { return table.number(arrow.triple, arrow.strings); });
           },
           "ilabel"_a, "olabel"_a, "weight"_a)
      .def("find",
           [](Self& self, Label ilabel, Label olabel, nb::handle weight) {
             const Arrow<W> arrow = arrow_of_python<W>(ilabel, olabel, weight);
             return self.run([&](auto& table) { return table.find(arrow.triple, arrow.strings); });
           },
           "ilabel"_a, "olabel"_a, "weight"_a)
      .def("triple",
           [](Self& self, Label label) {
             const Arrow<W> arrow = self.run([&](auto& table) {
               Arrow<W> found{table.triple_of(label), {}};
               if constexpr (has_strings<W>) {
                 W& weight = found.triple.weight;
                 weight = found.strings.add(weight.weight, table.strings().of(weight));
               }
               return found;
             });
             const auto& [ilabel, olabel, weight] = arrow.triple;
             return nb::make_tuple(ilabel, olabel, weight_to_python<W>(weight, arrow.strings));
           },
           "label"_a)
      .def("encode",
           [](Self& self, const Fst<W>& fst) {
             return self.run([copy = fst](auto& table) { return table.encode(copy); });
           })
      .def("decode", [](Self& self, const Fst<W>& fst) {
        return self.run([copy = fst](auto& table) { return table.decode(copy); });
      });
}

}  // namespace

void bind_fst_encode(nb::module_& m) {
  bind_table<TropicalWeight>(m, "StdEncodeTable");
  bind_table<LogWeight>(m, "LogEncodeTable");
  bind_table<LatticeWeight>(m, "LatticeEncodeTable");
  bind_table<CompactWeight>(m, "CompactLatticeEncodeTable");
  bind_table<KwsIndexWeight>(m, "KwsIndexEncodeTable");
  m.def("encoded_arc_type", [](Input& in) { return to_bytes(encoded_arc_type(in)); }, "stream"_a);
}

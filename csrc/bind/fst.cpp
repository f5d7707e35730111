#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "fst/convert.h"
#include "fst/file.h"
#include "fst/text.h"
#include "files/input.h"
#include "files/output.h"
#include "fst/symbols.h"
#include "released.h"
#include "weights.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Integers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Given = nb::ndarray<nb::numpy, const T, nb::ndim<1>>;
using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// ---- Text of any encoding: bytes that are not UTF-8 survive as lone surrogates.

nb::object to_python(std::string_view text) {
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "surrogateescape");
  if (!made) nb::raise_python_error();
  return nb::steal(made);
}

std::string of_python(nb::handle text) {
  PyObject* bytes = PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogateescape");
  if (!bytes) nb::raise_python_error();
  const nb::bytes owner = nb::steal<nb::bytes>(bytes);
  return {owner.c_str(), owner.size()};
}

std::string of_bytes(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

// `old` gives the weight that is to be replaced, whose string is kept if it is the same.
template <class W, class Old>
W weight_for(Fst<W>& fst, nb::handle value, Old old) {
  return weight_of_python<W>(value, [&](LatticeWeight costs, std::span<const std::int32_t> string) {
    const W before = old();
    if constexpr (has_strings<W>) {
      if (!std::ranges::equal(fst.strings().of(before), string)) return fst.add_string(costs, string);
      return W{costs, before.begin, before.length};
    }
    return before;
  });
}

// A table as bytes that Python views as it likes; they stay as they are while anything looks at them.
template <class W, class T>
Given<std::uint8_t> table(const Fst<W>& fst, const T* data, std::size_t count) {
  auto* kept = new Fst<W>(fst);
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Fst<W>*>(p); });
  return Given<std::uint8_t>(reinterpret_cast<const std::uint8_t*>(data), {count * sizeof(T)}, owner);
}

// Arcs in any order of their source states; those of one state stay in their order.
template <class W>
Fst<W> of_arrays(StateId start, const Rows& finals, const Integers& source, const Integers& ilabel,
                 const Integers& olabel, const Rows& weights, const Integers& nextstate) {
  const std::size_t n = finals.shape(0), m = source.size();
  if (ilabel.size() != m || olabel.size() != m || nextstate.size() != m || weights.shape(0) != m) {
    fst_error("arrays of ", m, " sources, ", ilabel.size(), " input labels, ", olabel.size(), " output labels, ",
              weights.shape(0), " weights and ", nextstate.size(), " next states; expected as many of each");
  }
  if (finals.shape(1) != W::floats || (m && weights.shape(1) != W::floats)) {
    fst_error("weights of ", finals.shape(1), " and ", weights.shape(1), " numbers; expected ", W::floats);
  }
  if (n > kMostStates || m > kMostArcs) fst_error(n, " states and ", m, " arcs are more than an automaton can have");
  return released([&] {
    Array<State<W>> states(n);
    Array<Arc<W>> arcs(m);
    for (std::size_t s = 0; s < n; ++s) std::memcpy(&states[s].final, finals.data() + s * W::floats, sizeof(W));
    for (std::size_t i = 0; i < m; ++i) {
      const std::int32_t s = source.data()[i];
      if (s < 0 || std::size_t(s) >= n) fst_error("arc ", i, " leaves state ", s, "; there are ", n, " states");
      ++states[s].arcs;
    }
    std::vector<std::uint32_t> next(n, 0);
    for (std::size_t s = 1; s < n; ++s) next[s] = next[s - 1] + states[s - 1].arcs;
    for (std::size_t i = 0; i < m; ++i) {
      Arc<W>& arc = arcs[next[source.data()[i]]++];
      arc.ilabel = ilabel.data()[i];
      arc.olabel = olabel.data()[i];
      arc.nextstate = nextstate.data()[i];
      std::memcpy(&arc.weight, weights.data() + i * W::floats, sizeof(W));
    }
    // What is known of an automaton that is built arc by arc: files carry the bits that fstcompile would write.
    properties::Bits bits = properties::kNull | properties::kExpanded | properties::kMutable;
    if (n) bits = properties::after_add_state(bits);
    std::size_t begin = 0;
    for (std::size_t s = 0; s < n; ++s) {
      properties::ArcFacts previous{};
      for (std::size_t i = begin; i < begin + states[s].arcs; ++i) {
        const properties::ArcFacts facts{arcs[i].ilabel, arcs[i].olabel, is_plain(arcs[i].weight)};
        bits = properties::after_add_arc(bits, static_cast<std::int32_t>(s), facts, arcs[i].nextstate,
                                         i == begin ? nullptr : &previous);
        previous = facts;
      }
      begin += states[s].arcs;
      bits = properties::after_set_final(bits, true, is_plain(states[s].final));
    }
    Fst<W> fst;
    fst.adopt(std::move(states), std::move(arcs), {}, kNoState, bits);
    fst.check();
    if (start != kNoState) fst.set_start(start);
    return fst;
  });
}

template <class W>
void bind_automaton(nb::module_& m, const char* name) {
  using Self = Fst<W>;
  nb::class_<Self> c(m, name);
  c.def(nb::init<>())
      .def("copy", [](const Self& self) { return Self(self); })
      .def_prop_ro_static("arc_type", [](nb::handle) { return W::arc_type; })
      .def("start", &Self::start)
      .def("num_states", &Self::num_states)
      .def("total_arcs",
           [](const Self& self) { return released([copy = self] { return copy.tables().num_arcs(); }); })
      .def("num_arcs", [](const Self& self, StateId s) { return self.state(s).arcs + 0u; })
      .def("num_input_epsilons", [](const Self& self, StateId s) { return self.state(s).iepsilons + 0u; })
      .def("num_output_epsilons", [](const Self& self, StateId s) { return self.state(s).oepsilons + 0u; })
      .def("final",
           [](const Self& self, StateId s) { return weight_to_python<W>(self.state(s).final, self.strings()); })
      .def("arcs",
           [](const Self& self, StateId s) {
             const Self kept = self;  // making objects may run a finalizer, and that may change the automaton
             const std::span<const Arc<W>> arcs = kept.arcs_of(s);
             return arcs_to_python<W>(arcs, kept.strings());
           })
      .def("set_start", &Self::set_start)
      .def("set_final",
           [](Self& self, StateId s, nb::handle weight) {
             self.set_final(s, weight_for<W>(self, weight, [&] { return self.state(s).final; }));
           })
      .def("add_state", &Self::add_state)
      .def("add_states", &Self::add_states)
      .def("add_arc",
           [](Self& self, StateId s, Label ilabel, Label olabel, nb::handle weight, StateId nextstate) {
             const auto none = [&] { return self.state(s), W::one(); };
             self.add_arc(s, {ilabel, olabel, weight_for<W>(self, weight, none), nextstate});
           })
      .def("set_arc",
           [](Self& self, StateId s, std::size_t position, Label ilabel, Label olabel, nb::handle weight,
              StateId nextstate) {
             const auto old = [&]() -> W {
               const auto arcs = self.arcs_of(s);
               return position < arcs.size() ? W(arcs[position].weight) : W::one();
             };
             self.set_arc(s, position, {ilabel, olabel, weight_for<W>(self, weight, old), nextstate});
           })
      .def("delete_arcs", &Self::delete_arcs)
      .def("delete_last_arcs", &Self::delete_last_arcs)
      .def("delete_states", [](Self& self) { self.delete_states(); })
      .def("delete_states",
           [](Self& self, const std::vector<StateId>& states) { self.delete_states(std::span(states)); })
      .def("reserve_states", &Self::reserve_states)
      .def("reserve_arcs", &Self::reserve_arcs)
      .def("sort_arcs",
           [](Self& self, bool by_output) {
             self = released([copy = self, by_output]() mutable {
               copy.sort_arcs(by_output);
               return std::move(copy);
             });
           })
      .def("topological_sort",
           [](Self& self) {
             Self copy = self;
             const bool sorted = released([&] { return copy.topological_sort(); });
             self = std::move(copy);
             return sorted;
           })
      .def("properties",
           [](Self& self, std::uint64_t mask, bool test) {
             if (test) {
               const Self copy = self;
               const auto found =
                   released([&] { return find_properties(copy.view(), copy.stored_properties(), mask); });
               self.set_properties(found, properties::known(found));
             }
             return self.stored_properties() & mask;
           })
      .def("set_properties", &Self::set_properties)
      .def("flaw",
           [](const Self& self) {
             return released([copy = self] { return flaw(copy.tables()); });
           })
      .def("same",
           [](const Self& self, const Self& other, float delta) {
             return released([a = self, b = other, delta] { return same(a.tables(), b.tables(), delta); });
           })
      .def("pack", [](Self& self) { self = released([copy = self] { return copy.packed(); }); })
      .def("state_table",
           [](const Self& self) {
             const View<W> view = self.tables();
             return table(self, view.states, view.num_states);
           })
      .def("arc_table",
           [](const Self& self) {
             const View<W> view = self.tables();
             return table(self, view.arcs, view.num_slots);
           })
      .def("write",
           [](const Self& self, Output& out, bool constant, bool align, const nb::bytes& isymbols,
              const nb::bytes& osymbols) {
             const WriteOptions options{constant, align, of_bytes(isymbols), of_bytes(osymbols)};
             released([&, copy = self] { write_fst(out, copy, options); });
           })
      .def("text",
           [](const Self& self, const Symbols* isymbols, const Symbols* osymbols, const Symbols* ssymbols,
              bool acceptor, bool show_weight_one, nb::handle missing_symbol) {
             const PrintOptions options{isymbols, osymbols,        ssymbols,
                                        acceptor, show_weight_one, of_python(missing_symbol)};
             return to_python(released([&, copy = self] { return print_fst(copy.tables(), options); }));
           },
           "isymbols"_a.none(), "osymbols"_a.none(), "ssymbols"_a.none(), "acceptor"_a, "show_weight_one"_a,
           "missing_symbol"_a)
      .def("write_text",
           [](const Self& self, Output& out, bool acceptor) {
             released([&, copy = self] { out.write(print_fst(copy.tables(), {.acceptor = acceptor})); });
           })
      .def_static(
          "compile",
          [](nb::handle text, const Symbols* isymbols, const Symbols* osymbols, const Symbols* ssymbols, bool acceptor,
             bool keep_state_numbering, bool allow_negative_labels) {
            const std::string given = of_python(text);
            const CompileOptions options{isymbols, osymbols,  ssymbols,
                                         acceptor, keep_state_numbering, allow_negative_labels};
            return released([&] { return compile_fst<W>(given, options); });
          },
          "text"_a, "isymbols"_a.none(), "osymbols"_a.none(), "ssymbols"_a.none(), "acceptor"_a,
          "keep_state_numbering"_a, "allow_negative_labels"_a);
  if constexpr (has_strings<W>) {
    c.def("strings", [](const Self& self) {
       const auto& symbols = self.strings().symbols;
       return table(self, symbols.data(), symbols.size());
     }).def("to_plain", [](const Self& self, bool invert) {
       return released([copy = self, invert] { return to_plain(copy.view(), invert); });
     }).def("without_strings", [](const Self& self) {
       return released([copy = self] { return without_strings(copy.view()); });
     });
  } else {
    c.def_static("of_arrays", of_arrays<W>, "start"_a, "finals"_a.noconvert(), "source"_a.noconvert(),
                 "ilabel"_a.noconvert(), "olabel"_a.noconvert(), "weight"_a.noconvert(), "nextstate"_a.noconvert());
  }
  if constexpr (std::is_same_v<W, LatticeWeight>) {
    c.def("to_compact", [](const Self& self, bool invert) {
      return released([copy = self, invert] { return to_compact(copy.view(), invert); });
    });
  }
  if constexpr (std::is_same_v<W, LatticeWeight> || has_strings<W>) {
    c.def("scaled", [](const Self& self, double a, double b, double c, double d) {
      const double scale[4] = {a, b, c, d};
      return released([&, copy = self] { return scale_fst(copy.view(), scale); });
    });
    c.def("to_tropical", [](const Self& self) {
      return released([copy = self] { return convert_fst<TropicalWeight>(copy.view()); });
    });
  }
  if constexpr (std::is_same_v<W, LogWeight>) {
    c.def("to_tropical", [](const Self& self) {
      return released([copy = self] { return convert_fst<TropicalWeight>(copy.view()); });
    });
  }
  if constexpr (std::is_same_v<W, TropicalWeight>) {
    c.def("to_log", [](const Self& self) {
      return released([copy = self] { return convert_fst<LogWeight>(copy.view()); });
    });
    c.def("to_lattice", [](const Self& self) {
      return released([copy = self] { return convert_fst<LatticeWeight>(copy.view()); });
    });
  }
}

nb::tuple file_to_python(FstFile file) {
  nb::object fst = std::visit([](auto& held) { return nb::cast(std::move(held)); }, file.fst);
  nb::object reach = nb::none();
  if (file.reach) reach = nb::cast(std::const_pointer_cast<Reachability>(file.reach));
  return nb::make_tuple(fst, file.format, nb::bytes(file.isymbols.data(), file.isymbols.size()),
                        nb::bytes(file.osymbols.data(), file.osymbols.size()), reach);
}

// (name, available key, symbols, keys): keys is None where they are 0, 1, 2, ... and no symbol comes twice.
nb::tuple list_to_python(const SymbolList& list, bool plain) {
  const auto size = static_cast<Py_ssize_t>(list.symbols.size());
  nb::object symbols = nb::steal(PyList_New(size)), keys = plain ? nb::none() : nb::steal(PyList_New(size));
  if (!symbols.is_valid() || !keys.is_valid()) nb::raise_python_error();
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyList_SetItem(symbols.ptr(), i, to_python(list.symbols[i]).release().ptr());
    if (!plain) PyList_SetItem(keys.ptr(), i, PyLong_FromLongLong(list.keys[i]));
  }
  return nb::make_tuple(to_python(list.name), list.available_key, symbols, keys);
}

template <class Parse>
nb::tuple parsed(Parse parse) {
  SymbolList list;
  bool plain = false;
  released([&] {
    list = parse();
    plain = is_plain(list);
  });
  return list_to_python(list, plain);
}

// A view of a symbol; one that is not UTF-8 is kept in `owned`, which must have room.
std::string_view view_of_python(nb::handle text, std::vector<std::string>& owned) {
  Py_ssize_t size = 0;
  if (const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size)) return {data, static_cast<std::size_t>(size)};
  PyErr_Clear();
  owned.push_back(of_python(text));
  return owned.back();
}

nb::bytes print_symbols_(nb::handle name, std::int64_t available_key, const nb::list& symbols,
                         std::vector<std::int64_t> keys, bool text) {
  if (symbols.size() != keys.size()) fst_error(symbols.size(), " symbols and ", keys.size(), " numbers");
  SymbolList list{of_python(name), available_key, {}, std::move(keys)};
  std::vector<std::string> owned;
  owned.reserve(symbols.size());
  list.symbols.reserve(symbols.size());
  for (const nb::handle symbol : symbols) list.symbols.push_back(view_of_python(symbol, owned));
  const std::string bytes = released([&] { return text ? print_symbols_text(list) : print_symbols(list); });
  return nb::bytes(bytes.data(), bytes.size());
}

}  // namespace

void bind_fst(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& caught, void*) {
    const auto raise = [](const char* name, const char* what) {
      nb::object text = to_python(what);
      PyErr_SetObject(nb::module_::import_("sonant.errors").attr(name).ptr(), text.ptr());
    };
    try {
      std::rethrow_exception(caught);
    } catch (const FstIndexError& error) {
      raise("FstIndexError", error.what());
    } catch (const FstError& error) {
      raise("FstError", error.what());
    }
  });

  nb::class_<Symbols>(m, "Symbols", "A symbol table for printing and compiling.")
      .def("__init__", [](Symbols* self, nb::handle name, const nb::list& symbols,
                          const std::vector<std::int64_t>& keys) {
        new (self) Symbols{of_python(name), {}, {}};
        for (std::size_t i = 0; i < std::min(symbols.size(), keys.size()); ++i) {
          std::string symbol = of_python(symbols[i]);
          self->by_key.try_emplace(keys[i], symbol);
          self->by_symbol.try_emplace(std::move(symbol), keys[i]);
        }
      });
  bind_automaton<TropicalWeight>(m, "StdFst");
  bind_automaton<LogWeight>(m, "LogFst");
  bind_automaton<LatticeWeight>(m, "LatticeFst");
  bind_automaton<CompactWeight>(m, "CompactLatticeFst");
  bind_automaton<KwsIndexWeight>(m, "KwsIndexFst");

  m.def(
      "read_fst",
      [](Input& in, bool whole, bool map) {
        return file_to_python(released([&] { return read_fst(in, {whole, map}); }));
      },
      "stream"_a, "whole"_a = false, "map"_a = false);
  m.def("read_fst_text", [](Input& in, const std::string& arc_type) -> AnyFst {
    return released([&]() -> AnyFst {
      if (arc_type == TropicalWeight::arc_type) return read_text<TropicalWeight>(in);
      if (arc_type == LogWeight::arc_type) return read_text<LogWeight>(in);
      if (arc_type == KwsIndexWeight::arc_type) return read_text<KwsIndexWeight>(in);
      fst_error("arcs of type ", arc_type, " in text; expected standard, log or ", KwsIndexWeight::arc_type);
    });
  });
  m.def("read_lattice_text", [](Input& in) { return released([&] { return read_lattice_text(in); }); });
  m.def("parse_symbols", [](const nb::bytes& bytes, const std::string& name) {
    const std::string_view view(bytes.c_str(), bytes.size());
    return parsed([&] { return parse_symbols(view, name); });
  });
  m.def("parse_symbols_text", [](const nb::bytes& bytes, const std::string& name, bool allow_negative) {
    const std::string_view view(bytes.c_str(), bytes.size());
    return parsed([&] { return parse_symbols_text(view, name, allow_negative); });
  });
  m.def("print_symbols", print_symbols_, "name"_a, "available_key"_a, "symbols"_a, "keys"_a, "text"_a);
}

// Weights and arcs in Python: a float, (graph, acoustic), (graph, acoustic, (symbols)), (cost, begin, end);
// (ilabel, olabel, weight, nextstate).
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <span>
#include <vector>

#include "fst/fst.h"

namespace sonant {

namespace nb = nanobind;

template <class W>
nb::object weight_to_python(const W& w, const StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    const auto string = strings.of(w);
    nb::object symbols = nb::steal(PyTuple_New(Py_ssize_t(string.size())));
    for (std::size_t i = 0; i < string.size(); ++i) {
      PyTuple_SetItem(symbols.ptr(), Py_ssize_t(i), PyLong_FromLong(string[i]));
    }
    return nb::make_tuple(float(w.weight.graph), float(w.weight.acoustic), symbols);
  } else if constexpr (W::floats == 1) {
    return nb::steal(PyFloat_FromDouble(w.value));
  } else if constexpr (W::floats == 2) {
    return nb::make_tuple(float(w.graph), float(w.acoustic));
  } else {
    return nb::make_tuple(float(w.cost), float(w.begin), float(w.end));
  }
}

inline float real(nb::handle value) {
  const double x = PyFloat_AsDouble(value.ptr());
  if (x == -1 && PyErr_Occurred()) nb::raise_python_error();
  return static_cast<float>(x);
}

inline nb::tuple tuple_of(nb::handle value, std::size_t size) {
  PyObject* made = PySequence_Tuple(value.ptr());
  if (!made) nb::raise_python_error();
  nb::tuple items = nb::steal<nb::tuple>(made);
  if (items.size() != size) fst_error("a weight of ", items.size(), " parts; expected ", size);
  return items;
}

// `make` gives the weight of a string, from (costs, symbols).
template <class W, class Make>
W weight_of_python(nb::handle value, Make make) {
  if constexpr (has_strings<W>) {
    const nb::tuple parts = tuple_of(value, 3);
    std::vector<std::int32_t> string;
    if (!nb::try_cast(parts[2], string)) fst_error("the string of a weight is not a sequence of 32-bit integers");
    return make(LatticeWeight{real(parts[0]), real(parts[1])}, std::span<const std::int32_t>(string));
  } else if constexpr (W::floats == 1) {
    return {real(value)};
  } else {
    const nb::tuple parts = tuple_of(value, W::floats);
    float values[W::floats];
    for (int i = 0; i < W::floats; ++i) values[i] = real(parts[i]);
    W w;
    std::memcpy(&w, values, sizeof w);
    return w;
  }
}

template <class W>
nb::object arc_to_python(const Arc<W>& arc, const StringsOf<W>& strings) {
  nb::object made = nb::steal(PyTuple_New(4));
  PyTuple_SetItem(made.ptr(), 0, PyLong_FromLong(arc.ilabel));
  PyTuple_SetItem(made.ptr(), 1, PyLong_FromLong(arc.olabel));
  PyTuple_SetItem(made.ptr(), 2, weight_to_python<W>(arc.weight, strings).release().ptr());
  PyTuple_SetItem(made.ptr(), 3, PyLong_FromLong(arc.nextstate));
  return made;
}

template <class W>
nb::list arcs_to_python(std::span<const Arc<W>> arcs, const StringsOf<W>& strings) {
  nb::list made = nb::steal<nb::list>(PyList_New(Py_ssize_t(arcs.size())));
  if (!made.is_valid()) nb::raise_python_error();
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    PyList_SetItem(made.ptr(), Py_ssize_t(i), arc_to_python<W>(arcs[i], strings).release().ptr());
  }
  return made;
}

}  // namespace sonant

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "files/basic_types.h"
#include "files/input.h"
#include "files/matrix_file.h"
#include "files/output.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Released = nb::call_guard<nb::gil_scoped_release>;
template <typename T>
using Values = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Rows = nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>;
template <typename T>
using Made = nb::ndarray<nb::numpy, T>;
using CompressedTuple = std::tuple<int, float, float, int, int, nb::ndarray<nb::numpy, std::uint8_t>>;
using CompressedGiven = std::tuple<int, float, float, int, int, Values<std::uint8_t>>;

template <typename T>
Made<T> give(std::unique_ptr<T[]> data, std::initializer_list<std::size_t> shape) {
  nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return Made<T>(data.release(), shape, owner);
}

template <typename T>
Made<T> give(const std::vector<T>& values, std::initializer_list<std::size_t> shape) {
  std::unique_ptr<T[]> data(new T[values.size()]);
  std::copy(values.begin(), values.end(), data.get());
  return give(std::move(data), shape);
}

// Calls `read` without the GIL for the type that `dtype` names, and shapes what comes.
template <typename Read, typename Shape>
nb::object typed(const std::string& dtype, Read read, Shape shape) {
  auto run = [&]<typename T>(T) {
    MatrixValues<T> array;
    {
      nb::gil_scoped_release no_gil;
      array = read(T());
    }
    return nb::cast(shape(array));
  };
  if (dtype == "float32") return run(float());
  if (dtype == "float64") return run(double());
  throw nb::value_error(("dtype='" + dtype + "'; expected 'float32' or 'float64'").c_str());
}

constexpr auto as_matrix = []<typename T>(MatrixValues<T>& a) {
  return give(std::move(a.data), {std::size_t(a.rows), std::size_t(a.cols)});
};
constexpr auto as_vector = []<typename T>(MatrixValues<T>& a) { return give(std::move(a.data), {std::size_t(a.cols)}); };

nb::object read_matrix_(Input& in, bool binary, const std::string& dtype) {
  return typed(dtype, [&]<typename T>(T) { return read_matrix<T>(in, binary); }, as_matrix);
}

// Without a copy where that can be.
nb::object map_matrix_(Input& in, bool binary, const std::string& dtype) {
  auto run = [&]<typename T>(T) -> nb::object {
    MappedArray mapped = binary ? map_matrix<T>(in) : MappedArray();
    if (!mapped.data) return read_matrix_(in, binary, dtype);
    using Owner = std::shared_ptr<Mapping>;
    nb::capsule owner(new Owner(std::move(mapped.owner)), [](void* p) noexcept { delete static_cast<Owner*>(p); });
    const T* data = reinterpret_cast<const T*>(mapped.data);
    return nb::cast(Made<const T>(data, {std::size_t(mapped.rows), std::size_t(mapped.cols)}, owner));
  };
  return dtype == "float64" ? run(double()) : run(float());
}

nb::object decoded(const std::string& text) {
  PyObject* object = PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "surrogateescape");
  if (!object) throw nb::python_error();
  return nb::steal(object);
}

template <typename T, bool kMatrix>
MatrixValues<T> read_object(Input& in) {
  const bool binary = read_header(in);
  return kMatrix ? read_matrix<T>(in, binary) : read_vector<T>(in, binary);
}

template <typename T, bool kMatrix>
nb::object given(MatrixValues<T>& array) {
  if constexpr (kMatrix) return nb::cast(as_matrix(array));
  return nb::cast(as_vector(array));
}

// A matrix or vector and its header in one call.
template <typename T, bool kMatrix>
nb::object read_object_(Input& in) {
  MatrixValues<T> array;
  {
    nb::gil_scoped_release no_gil;
    array = read_object<T, kMatrix>(in);
  }
  return given<T, kMatrix>(array);
}

// The next key of an archive with its matrix or vector, likewise; None at the end.
template <typename T, bool kMatrix>
nb::object read_entry(Input& in) {
  std::string key;
  MatrixValues<T> array;
  {
    nb::gil_scoped_release no_gil;
    skip_space(in);
    if (in.peek() != Input::kEnd) {
      key = read_archive_key(in);
      array = read_object<T, kMatrix>(in);
    }
  }
  if (key.empty()) return nb::none();
  return nb::make_tuple(decoded(key), given<T, kMatrix>(array));
}

nb::object read_vector_(Input& in, bool binary, const std::string& dtype) {
  return typed(dtype, [&]<typename T>(T) { return read_vector<T>(in, binary); }, as_vector);
}

nb::object read_packed_(Input& in, bool binary, const std::string& dtype) {
  return typed(dtype, [&]<typename T>(T) { return read_packed<T>(in, binary); }, as_vector);
}

CompressedTuple tuple_of(const Compressed& from) {
  return {from.format, from.min, from.range, from.rows, from.cols, give(from.data, {from.data.size()})};
}

Compressed of_tuple(const CompressedGiven& given) {
  const auto& [format, min, range, rows, cols, data] = given;
  Compressed to;
  to.format = format;
  to.min = min;
  to.range = range;
  to.rows = rows;
  to.cols = cols;
  to.data.assign(data.data(), data.data() + data.size());
  if (format < 0 || format > 3 || rows < 0 || cols < 0 || (format ? to.size() : 0) != std::int64_t(data.size())) {
    ark_error("a compressed matrix of format ", format, ", ", rows, " x ", cols, " and ", data.size(),
              " bytes: these do not belong together");
  }
  return to;
}

template <typename T>
void write_matrix_(Output& out, bool binary, const Rows<T>& rows) {
  const std::int64_t stride = rows.shape(0) > 1 ? rows.stride(0) : std::int64_t(rows.shape(1));
  // Of an array without elements numpy's strides say nothing.
  if (rows.size() > 0 && ((rows.shape(1) > 1 && rows.stride(1) != 1) || stride < 0)) {
    throw nb::value_error("the values of a row do not lie side by side; expected an array as numpy.ascontiguousarray makes it");
  }
  nb::gil_scoped_release no_gil;
  write_matrix(out, binary, rows.data(), rows.shape(0), rows.shape(1), stride);
}

template <typename T>
void write_packed_(Output& out, bool binary, const Values<T>& values) {
  std::int64_t dim = 0;
  while (dim * (dim + 1) / 2 < std::int64_t(values.size())) ++dim;
  if (dim * (dim + 1) / 2 != std::int64_t(values.size())) {
    throw nb::value_error("a packed matrix has n(n+1)/2 values");
  }
  nb::gil_scoped_release no_gil;
  write_packed(out, binary, values.data(), dim);
}

nb::bytes read_bytes(Input& in, std::int64_t count) {
  std::string bytes;
  {
    nb::gil_scoped_release no_gil;
    constexpr std::int64_t step = 1 << 20;
    while (count < 0 || std::int64_t(bytes.size()) < count) {
      const std::size_t done = bytes.size();
      const std::int64_t part = count < 0 ? step : std::min(step, count - std::int64_t(done));
      bytes.resize(done + part);
      const std::size_t got = in.read_some(bytes.data() + done, part);
      bytes.resize(done + got);
      if (std::int64_t(got) < part) break;
    }
  }
  return nb::bytes(bytes.data(), bytes.size());
}

nb::bytes read_line(Input& in) {
  std::string line;
  {
    nb::gil_scoped_release no_gil;
    for (;;) {
      const std::string_view bytes = in.available();
      const std::size_t end = bytes.find('\n');
      line.append(bytes.substr(0, end == bytes.npos ? end : end + 1));
      in.take(end == bytes.npos ? bytes.size() : end + 1);
      if (bytes.empty() || end != bytes.npos) break;
    }
  }
  return nb::bytes(line.data(), line.size());
}

void stop_for_signals() {
  nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

// A key of an archive with what stands behind it; None at the end. Text before a key is white space.
nb::object read_key(Input& in) {
  std::string key;
  bool ended = false;
  {
    nb::gil_scoped_release no_gil;
    skip_space(in);
    ended = in.peek() == Input::kEnd;
    if (!ended) key = read_archive_key(in);
  }
  return ended ? nb::none() : decoded(key);
}

}  // namespace

void bind_files(nb::module_& m) {
  Input::on_interrupt = stop_for_signals;
  nb::register_exception_translator([](const std::exception_ptr& caught, void*) {
    try {
      std::rethrow_exception(caught);
    } catch (const ArkError& error) {
      // A name or a word of a file may be in any encoding.
      nb::object text = nb::steal(PyUnicode_DecodeUTF8(error.what(), Py_ssize_t(strlen(error.what())), "backslashreplace"));
      PyErr_SetObject(nb::module_::import_("sonant.errors").attr("ArkError").ptr(), text.ptr());
    }
  });

  nb::class_<Input>(m, "Input", "A stream of bytes that Kaldi's objects read themselves from. For one thread at a time.")
      .def(nb::init<int, std::string, bool>(), "fd"_a, "name"_a, "close"_a)
      .def("__init__",
           [](Input* self, const nb::bytes& data, std::string name) {
             new (self) Input(std::string(data.c_str(), data.size()), std::move(name));
           },
           "data"_a, "name"_a = "bytes")
      .def_static(
          "from_bytes",
          [](const nb::bytes& data, const std::string& name) {
            return std::make_unique<Input>(std::string(data.c_str(), data.size()), name);
          },
          "data"_a, "name"_a = "bytes")
      .def("good", [](const Input& in) { return !in.closed() && !in.ended(); })
      .def_prop_ro("name", &Input::name)
      .def_prop_ro("closed", &Input::closed)
      .def_prop_ro("seekable", &Input::seekable)
      .def_prop_ro("ended", &Input::ended)
      .def("close", &Input::close, Released())
      .def("tell", &Input::tell)
      .def("seek", &Input::seek, "offset"_a)
      .def("remaining", &Input::remaining)
      .def("peek", &Input::peek, Released())
      .def("read", read_bytes, "size"_a = -1)
      .def("readline", read_line)
      .def("skip", [](Input& in, std::int64_t count) { in.skip(count, "what is skipped"); }, "count"_a, Released())
      .def("header", read_header, Released())
      .def("key", read_key, nb::sig("def key(self) -> str | None"))
      .def("token",
           [](Input& in, bool binary) {
             std::string token;
             {
               nb::gil_scoped_release no_gil;
               token = read_token(in, binary);
             }
             return decoded(token);
           },
           "binary"_a, nb::sig("def token(self, binary: bool) -> str"))
      .def("expect", expect_token, "binary"_a, "token"_a, Released())
      .def(
          "peek_token",
          [](Input& in, bool binary) {
            int c;
            {
              nb::gil_scoped_release no_gil;
              c = peek_token(in, binary);
            }
            return decoded(c == Input::kEnd ? std::string() : std::string(1, char(c)));
          },
          "binary"_a, nb::sig("def peek_token(self, binary: bool) -> str"))
      .def("integer", read_integer, "binary"_a, "size"_a = 4, "signed"_a = true, Released())
      .def("real", read_real, "binary"_a, Released())
      .def("boolean", read_bool, "binary"_a, Released())
      .def("integers",
           [](Input& in, bool binary) {
             std::vector<std::int32_t> values;
             {
               nb::gil_scoped_release no_gil;
               values = read_integers<std::int32_t>(in, binary);
             }
             return give(values, {values.size()});
           },
           "binary"_a)
      .def("integer_pairs",
           [](Input& in, bool binary) {
             std::vector<std::int32_t> values;
             {
               nb::gil_scoped_release no_gil;
               values = read_integer_pairs(in, binary);
             }
             return give(values, {values.size() / 2, std::size_t(2)});
           },
           "binary"_a)
      .def("matrix", read_matrix_, "binary"_a, "dtype"_a = "float32",
           nb::sig("def matrix(self, binary: bool, dtype: str = ...) -> NDArray"))
      .def("vector", read_vector_, "binary"_a, "dtype"_a = "float32",
           nb::sig("def vector(self, binary: bool, dtype: str = ...) -> NDArray"))
      .def("mapped_matrix", map_matrix_, "binary"_a, "dtype"_a = "float32",
           nb::sig("def mapped_matrix(self, binary: bool, dtype: str = ...) -> NDArray"))
      .def("matrix_object_float32", read_object_<float, true>, nb::sig("def matrix_object_float32(self) -> NDArray"))
      .def("matrix_object_float64", read_object_<double, true>, nb::sig("def matrix_object_float64(self) -> NDArray"))
      .def("vector_object_float32", read_object_<float, false>, nb::sig("def vector_object_float32(self) -> NDArray"))
      .def("vector_object_float64", read_object_<double, false>,
           nb::sig("def vector_object_float64(self) -> NDArray"))
      .def("matrix_entry_float32", read_entry<float, true>,
           nb::sig("def matrix_entry_float32(self) -> tuple[str, NDArray] | None"))
      .def("matrix_entry_float64", read_entry<double, true>,
           nb::sig("def matrix_entry_float64(self) -> tuple[str, NDArray] | None"))
      .def("vector_entry_float32", read_entry<float, false>,
           nb::sig("def vector_entry_float32(self) -> tuple[str, NDArray] | None"))
      .def("vector_entry_float64", read_entry<double, false>,
           nb::sig("def vector_entry_float64(self) -> tuple[str, NDArray] | None"))
      .def("skip_matrix", skip_matrix, "binary"_a, Released())
      .def("skip_vector", skip_vector, "binary"_a, Released())
      .def("packed", read_packed_, "binary"_a, "dtype"_a = "float32",
           nb::sig("def packed(self, binary: bool, dtype: str = ...) -> NDArray"))
      .def("compressed",
           [](Input& in, bool binary) {
             Compressed read;
             {
               nb::gil_scoped_release no_gil;
               read = read_compressed(in, binary);
             }
             return tuple_of(read);
           },
           "binary"_a)
      .def("error",
           [](Input& in, const nb::str& message) {
             // A message may quote a word of the file that is no text.
             const nb::object bytes = nb::steal(PyUnicode_AsEncodedString(message.ptr(), "utf-8", "surrogateescape"));
             if (!bytes.is_valid()) throw nb::python_error();
             in.error(PyBytes_AsString(bytes.ptr()));
           },
           "message"_a);

  nb::class_<Output>(m, "Output", "A stream of bytes that Kaldi's objects write themselves to. For one thread at a time.")
      .def(nb::init<int, std::string, bool>(), "fd"_a, "name"_a, "close"_a)
      .def(nb::init<>())
      .def_static("in_memory", [] { return std::make_unique<Output>(); })
      .def("good", [](const Output& out) { return !out.closed(); })
      .def("getvalue", [](const Output& out) { return nb::bytes(out.bytes().data(), out.bytes().size()); })
      .def_prop_ro("name", &Output::name)
      .def_prop_ro("closed", &Output::closed)
      .def("tell", &Output::tell)
      .def("write",
           [](Output& out, const nb::bytes& data) {
             const char* from = data.c_str();
             const std::size_t size = data.size();
             nb::gil_scoped_release no_gil;
             out.write(from, size);
           },
           "data"_a)
      .def("flush", &Output::flush, Released())
      .def("close", &Output::close, Released())
      .def("header", write_header, "binary"_a, Released())
      .def("token", [](Output& out, bool, const std::string& token) { write_token(out, token); }, "binary"_a, "token"_a,
           Released())
      .def("integer", write_integer, "binary"_a, "value"_a, "size"_a = 4, "signed"_a = true, Released())
      .def("float32", write_real<float>, "binary"_a, "value"_a, Released())
      .def("float64", write_real<double>, "binary"_a, "value"_a, Released())
      .def("boolean", write_bool, "binary"_a, "value"_a, Released())
      .def("integers",
           [](Output& out, bool binary, const Values<std::int32_t>& v) {
             nb::gil_scoped_release no_gil;
             write_integers(out, binary, v.data(), v.size());
           },
           "binary"_a, "values"_a)
      .def("integer_pairs",
           [](Output& out, bool binary, const nb::ndarray<const std::int32_t, nb::shape<-1, 2>, nb::c_contig>& v) {
             nb::gil_scoped_release no_gil;
             write_integer_pairs(out, binary, v.data(), v.shape(0));
           },
           "binary"_a, "pairs"_a)
      .def("matrix", write_matrix_<float>, "binary"_a, "rows"_a.noconvert())
      .def("matrix", write_matrix_<double>, "binary"_a, "rows"_a.noconvert())
      .def("vector",
           [](Output& out, bool binary, const Values<float>& v) {
             nb::gil_scoped_release no_gil;
             write_vector(out, binary, v.data(), std::int64_t(v.size()));
           },
           "binary"_a, "values"_a.noconvert())
      .def("vector",
           [](Output& out, bool binary, const Values<double>& v) {
             nb::gil_scoped_release no_gil;
             write_vector(out, binary, v.data(), std::int64_t(v.size()));
           },
           "binary"_a, "values"_a.noconvert())
      .def("packed", write_packed_<float>, "binary"_a, "values"_a.noconvert())
      .def("packed", write_packed_<double>, "binary"_a, "values"_a.noconvert())
      .def("compressed",
           [](Output& out, bool binary, const CompressedGiven& given) {
             const Compressed from = of_tuple(given);
             nb::gil_scoped_release no_gil;
             write_compressed(out, binary, from);
           },
           "binary"_a, "compressed"_a);

  m.def("compress",
        [](const nb::ndarray<const float, nb::ndim<2>, nb::c_contig>& matrix, int method) {
          if (method < 1 || method > 7) ark_error("compression method ", method, "; expected 1 to 7");
          Compressed to;
          {
            nb::gil_scoped_release no_gil;
            to = compress(matrix.data(), matrix.shape(0), matrix.shape(1), Compression(method));
          }
          return tuple_of(to);
        },
        "matrix"_a.noconvert(), "method"_a = 1);
  m.def("decompress",
        [](const CompressedGiven& given, const std::string& dtype) {
          const Compressed from = of_tuple(given);
          return typed(dtype, [&]<typename T>(T) { return decompress<T>(from); }, as_matrix);
        },
        "compressed"_a, "dtype"_a = "float32",
           nb::sig("def decompress(compressed: tuple, dtype: str = ...) -> NDArray"));
}

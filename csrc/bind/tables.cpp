// The plain values of Kaldi's tables, as Python's numbers, lists and tuples.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <vector>

#include "files/basic_types.h"
#include "files/table_types.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Released = nb::call_guard<nb::gil_scoped_release>;

template <typename T>
nb::list list_of(const T* values, std::int64_t count) {
  nb::list list;
  for (std::int64_t i = 0; i < count; ++i) list.append(values[i]);
  return list;
}

template <typename Read>
auto released(Read read) {
  nb::gil_scoped_release no_gil;
  return read();
}

template <typename T>
nb::list read_lists_(Input& in, bool binary) {
  const Ragged<T> lists = released([&] { return read_lists<T>(in, binary); });
  nb::list outer;
  std::int64_t at = 0;
  for (const std::int64_t end : lists.ends) {
    outer.append(list_of(lists.values.data() + at, end - at));
    at = end;
  }
  return outer;
}

template <typename T>
void write_lists_(Output& out, bool binary, const std::vector<std::vector<T>>& given) {
  Ragged<T> lists;
  for (const auto& inner : given) {
    lists.values.insert(lists.values.end(), inner.begin(), inner.end());
    lists.ends.push_back(std::int64_t(lists.values.size()));
  }
  nb::gil_scoped_release no_gil;
  write_lists(out, binary, lists);
}

template <typename T>
nb::list read_pairs_(Input& in, bool binary) {
  const std::vector<T> values = released([&] { return read_pairs<T>(in, binary); });
  nb::list pairs;
  for (std::size_t i = 0; i < values.size(); i += 2) pairs.append(nb::make_tuple(values[i], values[i + 1]));
  return pairs;
}

template <typename T>
void write_pairs_(Output& out, bool binary, const nb::sequence& pairs) {
  std::vector<T> values;
  for (nb::handle pair : pairs) {
    const nb::tuple two(pair);
    if (two.size() != 2) throw nb::value_error("a pair has two values");
    values.push_back(nb::cast<T>(two[0]));
    values.push_back(nb::cast<T>(two[1]));
  }
  nb::gil_scoped_release no_gil;
  write_pairs(out, binary, values);
}

nb::list read_posterior_(Input& in, bool binary) {
  const FrameWeights read = released([&] { return read_posterior(in, binary); });
  nb::list frames;
  std::int64_t at = 0;
  for (const std::int64_t end : read.ends) {
    nb::list frame;
    for (; at < end; ++at) frame.append(nb::make_tuple(read.ids[at], read.weights[at]));
    frames.append(frame);
  }
  return frames;
}

void write_posterior_(Output& out, bool binary, const nb::sequence& frames) {
  FrameWeights posterior;
  for (nb::handle frame : frames) {
    for (nb::handle pair : frame) {
      const nb::tuple two(pair);
      if (two.size() != 2) throw nb::value_error("a posterior has pairs of an id and a weight");
      posterior.ids.push_back(nb::cast<std::int32_t>(two[0]));
      posterior.weights.push_back(nb::cast<float>(two[1]));
    }
    posterior.ends.push_back(std::int64_t(posterior.ids.size()));
  }
  nb::gil_scoped_release no_gil;
  write_posterior(out, binary, posterior);
}

template <typename T>
void bind_type(nb::module_& m, const std::string& name) {
  m.def(("read_" + name).c_str(), read_single<T>, "stream"_a, "binary"_a, Released());
  m.def(("read_" + name + "_list").c_str(),
        [](Input& in, bool binary) {
          const std::vector<T> values = released([&] { return read_list<T>(in, binary); });
          return list_of(values.data(), std::int64_t(values.size()));
        },
        "stream"_a, "binary"_a);
  m.def(("write_" + name + "_list").c_str(), write_list<T>, "stream"_a, "binary"_a, "values"_a, Released());
  m.def(("read_" + name + "_lists").c_str(), read_lists_<T>, "stream"_a, "binary"_a);
  m.def(("write_" + name + "_lists").c_str(), write_lists_<T>, "stream"_a, "binary"_a, "lists"_a);
  m.def(("read_" + name + "_pairs").c_str(), read_pairs_<T>, "stream"_a, "binary"_a);
  m.def(("write_" + name + "_pairs").c_str(), write_pairs_<T>, "stream"_a, "binary"_a, "pairs"_a);
}

}  // namespace

void bind_tables(nb::module_& m) {
  bind_type<std::int8_t>(m, "int8");
  bind_type<std::int32_t>(m, "int32");
  bind_type<float>(m, "float32");
  bind_type<double>(m, "float64");
  m.def("read_bool", read_single_bool, "stream"_a, "binary"_a, Released());
  m.def("read_posterior", read_posterior_, "stream"_a, "binary"_a);
  m.def("write_posterior", write_posterior_, "stream"_a, "binary"_a, "frames"_a);
}

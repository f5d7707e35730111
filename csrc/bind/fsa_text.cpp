#include "fsa/text.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "fsa_arrays.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fsa_arrays;

namespace {

nb::ndarray<nb::numpy, float> array_of_floats(std::vector<float> values) {
  auto* kept = new std::vector<float>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return nb::ndarray<nb::numpy, float>(kept->data(), {kept->size()}, owner);
}

}  // namespace

void bind_fsa_text(nb::module_& m) {
  m.def(
      "fsa_read_text",
      [](const std::string& text, std::int32_t aux, std::int32_t ragged, bool openfst) {
        auto made = sonant::released([&] { return sonant::read_fsa_text(text, {aux, ragged, openfst}); });
        nb::list lists;
        for (auto& rows : made.ragged) {
          lists.append(nb::make_tuple(array_of(std::move(rows.splits)), array_of(std::move(rows.values))));
        }
        return nb::make_tuple(array_of(std::move(made.columns), std::size_t(3 + aux)), array_of_floats(std::move(made.scores)),
                              array_of(std::move(made.finals)), array_of_floats(std::move(made.final_scores)), made.first, lists);
      },
      "text"_a, "aux"_a, "ragged"_a, "openfst"_a,
      "(rows of source, destination, label, aux labels; scores; final states, their scores; the first line's state; splits and "
      "values of each kind of ragged labels)");
  m.def(
      "fsa_write_text",
      [](const Ints& arcs, const In<float>& scores, const std::vector<Ints>& aux, const std::vector<Ints>& splits,
         const std::vector<Ints>& values, bool openfst) {
        if (arcs.size() != 4 * scores.size() || splits.size() != values.size()) {
          throw std::invalid_argument("an array has not one element for each arc");
        }
        std::vector<std::span<const std::int32_t>> columns;
        for (const Ints& column : aux) {
          if (column.size() != scores.size()) throw std::invalid_argument("expected a label for each arc");
          columns.push_back(span_of(column));
        }
        std::vector<sonant::FsaTextLists> ragged;
        for (std::size_t i = 0; i < splits.size(); ++i) {
          const auto s = span_of(splits[i]), v = span_of(values[i]);
          if (s.size() != scores.size() + 1 || s.front() != 0 || std::size_t(s.back()) != v.size() || !std::ranges::is_sorted(s)) {
            throw std::invalid_argument("expected a row of labels for each arc");
          }
          ragged.push_back({{s.begin(), s.end()}, {v.begin(), v.end()}});
        }
        return sonant::released([&] {
          return sonant::write_fsa_text({arcs.data(), arcs.size()}, scores.data(), columns, ragged, openfst);
        });
      },
      "arcs"_a.noconvert(), "scores"_a.noconvert(), "aux"_a, "splits"_a, "values"_a, "openfst"_a, "Lines of arcs.");
}

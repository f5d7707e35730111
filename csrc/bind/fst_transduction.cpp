#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "fst/disambiguate.h"
#include "fst/labels.h"
#include "fst/replace.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

// An algorithm on a copy, which shares its tables, without the GIL.
template <class W, class Body>
auto on(const Fst<W>& fst, Body body) {
  const Fst<W> copy = fst;
  nb::gil_scoped_release no_gil;
  return body(copy);
}

template <class W>
void bind(nb::module_& m) {
  using F = Fst<W>;
  m.def(
      "fst_push_labels",
      [](const F& a, bool to_final, bool remove_affix, std::uint64_t max_states) {
        const PushLabelsOptions options{to_final, remove_affix, {max_states, 0}};
        return on(a, [&](const F& f) { return push_labels(f, options); });
      },
      "fst"_a, "to_final"_a, "remove_affix"_a, "max_states"_a);
  m.def(
      "fst_synchronize",
      [](const F& a, std::uint64_t max_states) {
        return on(a, [&](const F& f) { return synchronize(f, {max_states, 0}); });
      },
      "fst"_a, "max_states"_a);
  m.def(
      "fst_normalize_input_epsilons",
      [](const F& a, std::uint64_t max_states) {
        return on(a, [&](const F& f) { return normalize_input_epsilons(f, {max_states, 0}); });
      },
      "fst"_a, "max_states"_a);
  m.def(
      "fst_replace",
      [](const F& of_type, const std::vector<std::pair<Label, const F*>>& automata, Label root, bool call_input,
         bool call_output, bool return_input, bool return_output, Label return_label, std::uint32_t max_depth,
         std::uint64_t max_states) {
        (void)of_type;  // tells the semiring where the list is empty
        std::vector<Callable<W>> callables;
        for (const auto& [label, fst] : automata) callables.push_back({label, *fst});
        const ReplaceOptions options{call_input,   call_output, return_input,   return_output,
                                     return_label, max_depth,   {max_states, 0}};
        nb::gil_scoped_release no_gil;
        return replace(callables, root, options);
      },
      "of_type"_a, "automata"_a, "root"_a, "call_input"_a, "call_output"_a, "return_input"_a, "return_output"_a,
      "return_label"_a, "max_depth"_a, "max_states"_a);
  if constexpr (!has_strings<W> && !std::is_same_v<W, KwsIndexWeight>) {
    m.def(
        "fst_disambiguate",
        [](const F& a, float delta, std::uint64_t max_states) {
          return on(a, [&](const F& f) { return disambiguate(f, {delta, {max_states, 0}}); });
        },
        "fst"_a, "delta"_a, "max_states"_a);
  }
}

}  // namespace

void bind_fst_transduction(nb::module_& m) {
  bind<TropicalWeight>(m);
  bind<LogWeight>(m);
  bind<LatticeWeight>(m);
  bind<CompactWeight>(m);
  bind<KwsIndexWeight>(m);
}

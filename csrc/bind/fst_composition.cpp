#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "fst/compose.h"
#include "fst/determinize.h"
#include "fst/equivalent.h"
#include "fst/minimize.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

ComposeOptions compose_options(int filter, bool connect, int special, Label label, std::uint64_t max_states,
                               std::uint64_t max_arcs) {
  if (filter < 0 || filter > int(ComposeFilter::kNoMatch)) fst_error("there is no compose filter ", filter);
  if (special < 0 || special > int(Special::kSigma)) fst_error("there is no matcher ", special);
  return {ComposeFilter(filter), connect, Special(special), label, {max_states, max_arcs}};
}

// Copies of automata share their tables, so that what other threads do with the originals changes nothing here.
template <class W>
void bind_composition(nb::module_& m) {
  using Self = Fst<W>;
  const auto pair = [&](const char* name, auto operation) {
    m.def(
        name,
        [operation](const Self& left, const Self& right, int filter, bool connect, int special, Label label,
                    std::uint64_t max_states, std::uint64_t max_arcs) {
          const ComposeOptions options = compose_options(filter, connect, special, label, max_states, max_arcs);
          return released([&, a = left, b = right] { return operation(a, b, options); });
        },
        "left"_a, "right"_a, "filter"_a, "connect"_a, "special"_a, "special_label"_a, "max_states"_a, "max_arcs"_a);
  };
  pair("compose", [](const Self& a, const Self& b, const ComposeOptions& o) { return compose(a, b, o); });
  pair("intersect", [](const Self& a, const Self& b, const ComposeOptions& o) { return intersect(a, b, o); });
  pair("difference", [](const Self& a, const Self& b, const ComposeOptions& o) { return difference(a, b, o); });
}

template <class W>
void bind_encoded(nb::module_& m) {
  using Self = Fst<W>;
  m.def(
      "minimize_encoded",
      [](const Self& fst, float delta) { return released([&, copy = fst] { return minimize_encoded(copy, delta); }); },
      "fst"_a, "delta"_a);
}

template <class W>
void bind_determinize(nb::module_& m) {
  using Self = Fst<W>;
  m.def(
      "determinize",
      [](const Self& fst, float delta, bool disambiguate, Label subsequential_label, std::uint64_t max_states,
         std::uint64_t max_arcs) {
        const DeterminizeOptions options{delta, disambiguate, subsequential_label, false, {max_states, max_arcs}};
        return released([&, copy = fst] { return determinize(copy, options); });
      },
      "fst"_a, "delta"_a, "disambiguate"_a, "subsequential_label"_a, "max_states"_a, "max_arcs"_a);
}

template <class W>
void bind_reduction(nb::module_& m) {
  using Self = Fst<W>;
  bind_determinize<W>(m);
  m.def(
      "determinize_star",
      [](Self& fst, float delta, std::uint64_t max_states, std::uint64_t max_arcs, bool allow_partial, bool consume) {
        const DeterminizeOptions options{delta, false, 0, allow_partial, {max_states, max_arcs}};
        bool partial = false;
        Self given = consume ? std::exchange(fst, {}) : fst;
        Self result = released([&] { return determinize_star(std::move(given), options, partial); });
        return nb::make_tuple(std::move(result), partial);
      },
      "fst"_a, "delta"_a, "max_states"_a, "max_arcs"_a, "allow_partial"_a, "consume"_a = false);
  m.def(
      "minimize",
      [](const Self& fst, float delta, bool allow_nondet) {
        return released([&, copy = fst] { return minimize(copy, delta, allow_nondet); });
      },
      "fst"_a, "delta"_a, "allow_nondet"_a);
  m.def(
      "equivalent",
      [](const Self& left, const Self& right, float delta) {
        return released([&, a = left, b = right] { return equivalent(a, b, delta); });
      },
      "left"_a, "right"_a, "delta"_a);
  m.def(
      "random_equivalent",
      [](const Self& left, const Self& right, std::uint64_t paths, std::uint64_t seed, float delta,
         std::uint64_t max_length, bool by_weight) {
        const RandomOptions options{paths, seed, delta, max_length, by_weight};
        return released([&, a = left, b = right] { return random_equivalent(a, b, options); });
      },
      "left"_a, "right"_a, "paths"_a, "seed"_a, "delta"_a, "max_length"_a, "by_weight"_a);
}

}  // namespace

void bind_fst_composition(nb::module_& m) {
  bind_composition<TropicalWeight>(m);
  bind_composition<LogWeight>(m);
  bind_composition<LatticeWeight>(m);
  bind_composition<CompactWeight>(m);
  bind_composition<KwsIndexWeight>(m);
  bind_reduction<TropicalWeight>(m);
  bind_reduction<LogWeight>(m);
  bind_reduction<LatticeWeight>(m);
  bind_determinize<KwsIndexWeight>(m);
  bind_encoded<TropicalWeight>(m);
  bind_encoded<LogWeight>(m);
  bind_encoded<LatticeWeight>(m);
  bind_encoded<CompactWeight>(m);
  bind_encoded<KwsIndexWeight>(m);
}

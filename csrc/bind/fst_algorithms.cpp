#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <vector>

#include "fst/distance.h"
#include "fst/epsilon.h"
#include "fst/random.h"
#include "fst/structure.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Pairs = std::vector<std::pair<Label, Label>>;

// An algorithm on a copy, which shares its tables, without the GIL.
template <class W, class Body>
auto on(const Fst<W>& fst, Body body) {
  const Fst<W> copy = fst;
  nb::gil_scoped_release no_gil;
  return body(copy);
}

// The costs of a weight, without a string.
template <class W>
W weight_of(const std::vector<float>& costs) {
  if (costs.size() != W::floats) fst_error("a weight of ", costs.size(), " costs; expected ", W::floats);
  W w = W::one();
  std::memcpy(&w, costs.data(), sizeof(float) * W::floats);
  return w;
}

template <class W>
nb::object distances(const Fst<W>& fst, bool reverse, StateId source, double delta) {
  const DistanceOptions options{reverse ? Direction::kReverse : Direction::kForward, source, delta};
  StringsOf<W> strings;
  auto* found = new std::vector<W>();
  nb::capsule owner(found, [](void* p) noexcept { delete static_cast<std::vector<W>*>(p); });
  *found = on(fst, [&](const Fst<W>& f) { return shortest_distance(f.view(), options, strings); });
  if constexpr (has_strings<W>) {
    nb::list result;
    for (const W& w : *found) {
      nb::list string;
      for (const std::int32_t symbol : strings.of(w)) string.append(symbol);
      result.append(nb::make_tuple(float(w.weight.graph), float(w.weight.acoustic), nb::tuple(string)));
    }
    return result;
  } else {
    using Made = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
    return nb::cast(Made(reinterpret_cast<float*>(found->data()), {found->size(), std::size_t(W::floats)}, owner));
  }
}

template <class W>
Fst<W> reweighted(const Fst<W>& fst, const Rows& rows, bool to_final) {
  if (rows.shape(1) != W::floats) fst_error("potentials of ", rows.shape(1), " costs; expected ", W::floats);
  std::vector<W> potentials(rows.shape(0), W::one());
  for (std::size_t i = 0; i < potentials.size(); ++i) {
    std::memcpy(&potentials[i], rows.data() + i * W::floats, sizeof(float) * W::floats);
  }
  return on(fst, [&](const Fst<W>& f) { return reweight(f, potentials, to_final, false); });
}

LabelMap label_map(const Pairs& pairs) {
  LabelMap map;
  for (const auto& [from, to] : pairs) map.insert_or_assign(from, to);
  return map;
}

template <class W>
void bind(nb::module_& m) {
  using F = Fst<W>;
  m.def("fst_connect", [](const F& a) { return on(a, [](const F& f) { return connect(f); }); });
  m.def("fst_union", [](const F& a, const F& b) {
    return on(a, [other = b](const F& f) { return union_of(f, other); });
  });
  m.def("fst_concat", [](const F& a, const F& b) {
    return on(a, [other = b](const F& f) { return concat(f, other); });
  });
  m.def("fst_closure", [](const F& a, bool plus) { return on(a, [=](const F& f) { return closure(f, plus); }); });
  m.def("fst_reverse", [](const F& a, bool super_initial) {
    return on(a, [=](const F& f) { return reverse(f.view(), super_initial); });
  });
  m.def("fst_invert", [](const F& a) { return on(a, [](const F& f) { return invert(f); }); });
  m.def("fst_project", [](const F& a, bool output) {
    return on(a, [=](const F& f) { return project(f, output ? Labels::kOutput : Labels::kInput); });
  });
  m.def("fst_relabel", [](const F& a, const Pairs& input, const Pairs& output) {
    return on(a, [&](const F& f) { return relabel(f, label_map(input), label_map(output)); });
  });
  m.def("fst_map", [](const F& a, Mapper mapper, const std::vector<float>& weight, double power, float delta) {
    return on(a, [&](const F& f) { return mapped(f, mapper, weight_of<W>(weight), power, delta); });
  });
  m.def("fst_shortest_distance", distances<W>, "fst"_a, "reverse"_a, "source"_a, "delta"_a);
  m.def("fst_reweight", reweighted<W>, "fst"_a, "potentials"_a, "to_final"_a);
  m.def("fst_push", [](const F& a, bool to_final, double delta, bool remove_total) {
    return on(a, [=](const F& f) { return push_weights(f, to_final, delta, remove_total); });
  });
  m.def("fst_remove_epsilons",
        [](const F& a, bool connected, double delta, std::uint64_t max_states, std::uint64_t max_arcs) {
          const EpsilonOptions options{connected, static_cast<float>(delta), {max_states, max_arcs}};
          return on(a, [&](const F& f) { return remove_epsilons(f, options); });
        });
  m.def("fst_remove_epsilons_locally",
        [](F& a, bool keep_sums, bool consume) {
          F given = consume ? std::exchange(a, {}) : a;
          nb::gil_scoped_release no_gil;
          return remove_epsilons_locally(std::move(given), keep_sums);
        },
        "fst"_a, "keep_sums"_a = false, "consume"_a = false);
  m.def("fst_random_paths", [](const F& a, std::size_t count, std::uint64_t seed, bool log_prob,
                               std::int64_t max_length, bool weighted, bool remove_total) {
    const auto selection = log_prob ? ArcSelection::kLogProb : ArcSelection::kUniform;
    const RandomOptions options{count, seed, selection, max_length, weighted, remove_total};
    return on(a, [&](const F& f) { return random_paths(f, options); });
  });
  m.def("fst_isomorphic", [](const F& a, const F& b, float delta) {
    return on(a, [other = b, delta](const F& f) { return isomorphic(f.view(), other.view(), delta); });
  });
  if constexpr (std::is_same_v<W, TropicalWeight> || std::is_same_v<W, LatticeWeight> || has_strings<W>) {
    m.def("fst_prune", [](const F& a, double threshold, std::int64_t most_states) {
      return on(a, [=](const F& f) { return prune(f, threshold, most_states); });
    });
    m.def("fst_shortest_path",
          [](const F& a, std::size_t count, bool unique, double threshold, std::int64_t most_states) {
            const PathOptions options{count, unique, threshold, most_states};
            return on(a, [&](const F& f) { return shortest_path(f.view(), options); });
          });
  }
}

}  // namespace

void bind_fst_algorithms(nb::module_& m) {
  nb::enum_<Mapper>(m, "Mapper")
      .value("identity", Mapper::kIdentity)
      .value("input_epsilon", Mapper::kInputEpsilon)
      .value("output_epsilon", Mapper::kOutputEpsilon)
      .value("invert", Mapper::kInvert)
      .value("plus", Mapper::kPlus)
      .value("power", Mapper::kPower)
      .value("quantize", Mapper::kQuantize)
      .value("rmweight", Mapper::kRemoveWeight)
      .value("superfinal", Mapper::kSuperFinal)
      .value("times", Mapper::kTimes)
      .value("arc_sum", Mapper::kArcSum)
      .value("arc_unique", Mapper::kArcUnique);
  bind<TropicalWeight>(m);
  bind<LogWeight>(m);
  bind<LatticeWeight>(m);
  bind<CompactWeight>(m);
  bind<KwsIndexWeight>(m);
}

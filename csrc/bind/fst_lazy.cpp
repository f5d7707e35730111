#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>


#include "fst/file.h"
#include "fst/lazy.h"
#include "fst/lookahead.h"
#include "fst/ngram.h"
#include "guarded.h"
#include "released.h"
#include "weights.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

std::string of_bytes(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

template <class W>
StateId known(const NgramFst<W>& fst, std::int64_t s) {
  if (s < 0 || s >= std::int64_t(fst.num_states())) {
    fst_error<FstIndexError>("state ", s, " is not there; the automaton has ", fst.num_states(), " states");
  }
  return static_cast<StateId>(s);
}

template <class W>
void bind_ngram(nb::module_& m, const char* name) {
  using Self = NgramFst<W>;
  nb::class_<Self>(m, name, "An n-gram automaton as it lies in its file.")
      .def_prop_ro_static("arc_type", [](nb::handle) { return W::arc_type; })
      .def_static("of",
                  [](const Fst<W>& fst) {
                    return released([copy = fst] { return std::const_pointer_cast<Self>(Self::of(copy)); });
                  })
      .def("start", &Self::start)
      .def("num_states", &Self::num_states)
      .def("total_arcs", &Self::num_arcs)
      .def("num_bytes", &Self::num_bytes)
      .def("resident_bytes", &Self::resident_bytes)
      .def("check", [](const Self& self) { released([&] { self.check(); }); })
      .def("final", [](const Self& self, std::int64_t s) { return float(self.final(known(self, s)).value); })
      .def("arcs",
           [](const Self& self, std::int64_t state) {
             const StateId s = known(self, state);
             Array<Arc<W>> arcs;
             released([&] {
               std::vector<Label> history;
               self.history(s, history);
               if (s) arcs.push_back({0, 0, self.backoff(s), self.parent(s)});
               for (std::uint64_t i = self.words_begin(s); i < self.words_begin(s + 1); ++i) {
                 const Label word = self.word(i);
                 arcs.push_back({word, word, self.cost(i), self.next(history, word)});
               }
             });
             return arcs_to_python<W>(arcs, NoStrings());
           })
      .def("expand",
           [](const Self& self) {
             return released([&] {
               Fst<W> fst = self.expand(kNgramProperties);
               fst.check();
               return fst;
             });
           })
      .def(
          "write",
          [](const Self& self, Output& out, const nb::bytes& isymbols, const nb::bytes& osymbols) {
            const std::string i = of_bytes(isymbols), o = of_bytes(osymbols);
            released([&] { write_ngram_fst(out, self, i, o); });
          },
          "stream"_a, "isymbols"_a, "osymbols"_a);
}

template <class W>
using Shared = Guarded<LazyFst<W>>;  // one thread at a time

template <class W>
StateId known(const LazyFst<W>& lazy, std::int64_t s) {
  if (s < 0 || s >= std::int64_t(lazy.num_known_states())) {
    fst_error<FstIndexError>("state ", s, " is not known; ", lazy.num_known_states(),
                             " states of the lazy composition are");
  }
  return static_cast<StateId>(s);
}

template <class W>
void bind_lazy(nb::module_& m, const char* name) {
  using Self = Shared<W>;
  auto c = nb::class_<Self>(m, name, "A composition whose states are made as they are asked for.");
  c.def_prop_ro_static("arc_type", [](nb::handle) { return W::arc_type; })
      .def("start", [](Self& self) { return self.run([](auto& lazy) { return lazy.start(); }); })
      .def("num_known_states", [](Self& self) { return self.run([](auto& lazy) { return lazy.num_known_states(); }); })
      .def("cached_bytes", [](Self& self) { return self.run([](auto& lazy) { return lazy.cached_bytes(); }); })
      .def("final",
           [](Self& self, std::int64_t s) {
             const W final = self.run([&](auto& lazy) { return lazy.final(known(lazy, s)); });
             return weight_to_python<W>(final, {});
           })
      .def("arcs",
           [](Self& self, std::int64_t s) {
             const auto arcs = self.run([&](auto& lazy) {
               const auto found = lazy.arcs_of(known(lazy, s));
               return std::vector<Arc<W>>(found.begin(), found.end());
             });
             return arcs_to_python<W>(arcs, {});
           })
      .def("explore",
           [](Self& self, std::uint64_t states) {
             return self.run([&](auto& lazy) {
               Work work("exploration of a lazy composition", {}, 1, 1);
               std::uint64_t s = 0, arcs = 0;
               if (lazy.start() == kNoState) return std::pair(s, arcs);
               for (; s < states && s < lazy.num_known_states(); ++s) {
                 work.step();
                 arcs += lazy.arcs_of(StateId(s)).size();
               }
               return std::pair(s, arcs);
             });
           })
      .def(
          "expand",
          [](Self& self, bool connect, std::uint64_t max_states, std::uint64_t max_arcs) {
            return self.run([&](auto& lazy) { return expand(lazy, connect, {max_states, max_arcs}); });
          },
          "connect"_a, "max_states"_a, "max_arcs"_a);
  const auto compose = [](const Fst<W>& left, RightSide<W> right, int filter, int special, Label special_label,
                          const LazyOptions& options) {
    if (filter < 0 || filter > int(ComposeFilter::kNoMatch)) fst_error("there is no compose filter ", filter);
    if (special < 0 || special > int(Special::kSigma)) fst_error("there is no matcher ", special);
    const ComposeOptions how{ComposeFilter(filter), false, Special(special), special_label, {}};
    return new Self(released([&, copy = left] { return compose_lazily(copy, right, how, options); }));
  };
  c.def_static(
      "compose",
      [compose](const Fst<W>& left, const Fst<W>& right, int filter, int special, Label label,
                const std::vector<Label>& remove, std::uint64_t max_bytes) {
        return compose(left, {right, {}}, filter, special, label, {max_bytes, remove});
      },
      "left"_a, "right"_a, "filter"_a, "special"_a, "special_label"_a, "remove"_a, "max_bytes"_a,
      nb::rv_policy::take_ownership);
  if constexpr (W::floats == 1) {
    c.def_static(
        "compose",
        [compose](const Fst<W>& left, std::shared_ptr<NgramFst<W>> right, int filter, int special, Label label,
                  const std::vector<Label>& remove, std::uint64_t max_bytes) {
          return compose(left, {{}, right}, filter, special, label, {max_bytes, remove});
        },
        "left"_a, "right"_a, "filter"_a, "special"_a, "special_label"_a, "remove"_a, "max_bytes"_a,
        nb::rv_policy::take_ownership);
    const auto ahead = [](const Fst<W>& left, RightSide<W> right, std::shared_ptr<Reachability> reach,
                          LookAheadOptions how, const LazyOptions& options) {
      return new Self(released([&, copy = left] { return compose_ahead<W>(copy, right, reach, how, options); }));
    };
    c.def_static(
        "compose_ahead",
        [ahead](const Fst<W>& left, const Fst<W>& right, std::shared_ptr<Reachability> reach, bool push_weights,
                bool push_labels, const std::vector<Label>& remove, std::uint64_t max_bytes) {
          return ahead(left, {right, {}}, std::move(reach), {push_weights, push_labels}, {max_bytes, remove});
        },
        "left"_a, "right"_a, "reach"_a, "push_weights"_a, "push_labels"_a, "remove"_a, "max_bytes"_a,
        nb::rv_policy::take_ownership);
    c.def_static(
        "compose_ahead",
        [ahead](const Fst<W>& left, std::shared_ptr<NgramFst<W>> right, std::shared_ptr<Reachability> reach,
                bool push_weights, bool push_labels, const std::vector<Label>& remove, std::uint64_t max_bytes) {
          return ahead(left, {{}, right}, std::move(reach), {push_weights, push_labels}, {max_bytes, remove});
        },
        "left"_a, "right"_a, "reach"_a, "push_weights"_a, "push_labels"_a, "remove"_a, "max_bytes"_a,
        nb::rv_policy::take_ownership);
  }
}

template <class W>
void bind_reachability(nb::module_& m, nb::class_<Reachability>& c) {
  c.def("check", [](const Reachability& self, const Fst<W>& fst) { released([&, copy = fst] { self.check(copy); }); });
  m.def("find_reachability", [](const Fst<W>& fst, bool input) {
    return released([copy = fst, input] { return find_reachability(copy, input); });
  });
  m.def(
      "write_lookahead",
      [](Output& out, const Fst<W>& fst, std::shared_ptr<Reachability> reach, bool align, const nb::bytes& isymbols,
         const nb::bytes& osymbols) {
        const WriteOptions options{true, align, of_bytes(isymbols), of_bytes(osymbols)};
        released([&, copy = fst] { write_lookahead(out, copy, *reach, options); });
      },
      "stream"_a, "fst"_a, "reach"_a, "align"_a, "isymbols"_a, "osymbols"_a);
}

}  // namespace

void bind_fst_lazy(nb::module_& m) {
  bind_ngram<TropicalWeight>(m, "StdNgramFst");
  bind_ngram<LogWeight>(m, "LogNgramFst");
  m.def(
      "read_ngram_fst",
      [](Input& in, bool map) {
        const NgramFile file = released([&] { return read_ngram_fst(in, map); });
        nb::object fst = std::visit(
            []<class W>(const std::shared_ptr<const NgramFst<W>>& held) {
              return nb::cast(std::const_pointer_cast<NgramFst<W>>(held));
            },
            file.fst);
        return nb::make_tuple(fst, nb::bytes(file.isymbols.data(), file.isymbols.size()),
                              nb::bytes(file.osymbols.data(), file.osymbols.size()));
      },
      "stream"_a, "map"_a);
  auto reach = nb::class_<Reachability>(m, "Reachability", "Which labels come first on the paths from each state.");
  reach.def_prop_ro("input", [](const Reachability& self) { return self.input; })
      .def_prop_ro("keeps_labels", [](const Reachability& self) { return self.keeps_labels; })
      .def_prop_ro("final_label", [](const Reachability& self) { return self.final_label; })
      .def_prop_ro("num_states", &Reachability::num_states)
      .def_prop_ro("num_intervals", [](const Reachability& self) { return self.intervals.size(); })
      .def("of",
           [](const Reachability& self, std::int64_t s) {
             if (s < 0 || s >= std::int64_t(self.num_states())) {
               fst_error<FstIndexError>("state ", s, " is not there; the look-ahead data are of ", self.num_states(),
                                        " states");
             }
             std::vector<std::pair<Label, Label>> found;
             for (const Interval& interval : self.of(StateId(s))) found.emplace_back(interval.begin, interval.end);
             return found;
           })
      .def("relabel_pairs", &Reachability::relabel_pairs, "avoid_collisions"_a);
  bind_reachability<TropicalWeight>(m, reach);
  bind_reachability<LogWeight>(m, reach);
  bind_lazy<TropicalWeight>(m, "StdLazyFst");
  bind_lazy<LogWeight>(m, "LogLazyFst");
  bind_lazy<LatticeWeight>(m, "LatticeLazyFst");
}

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "fst/determinize.h"
#include "fst/special.h"
#include "lm/on_demand.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

// An object of Python with start(), final(state) and step(state, label), which gives (cost, output label, next state)
// or None; and maybe expect(states), with a list of the states that will be asked about.
class CalledOnDemand final : public OnDemand {
 public:
  explicit CalledOnDemand(nb::object called)
      : called_(std::move(called)), expects_(!nb::getattr(called_, "expect", nb::none()).is_none()) {}
  ~CalledOnDemand() override {
    const nb::gil_scoped_acquire gil;
    called_.reset();
  }
  StateId start() override {
    const nb::gil_scoped_acquire gil;
    return nb::cast<StateId>(called_.attr("start")());
  }
  float final(StateId s) override {
    const nb::gil_scoped_acquire gil;
    return nb::cast<float>(called_.attr("final")(s));
  }
  bool wants_to_expect() const override { return expects_; }
  void expect(std::span<const StateId> states) override {
    if (!expects_ || states.empty()) return;
    const nb::gil_scoped_acquire gil;
    called_.attr("expect")(nb::cast(std::vector<StateId>(states.begin(), states.end())));
  }
  Step step(StateId s, Label label) override {
    const nb::gil_scoped_acquire gil;
    const nb::object made = called_.attr("step")(s, label);
    if (made.is_none()) return {};
    const nb::tuple parts = nb::cast<nb::tuple>(made);
    if (parts.size() != 3) fst_error("a step of ", parts.size(), " parts; expected (cost, output label, next state)");
    const Step step{nb::cast<float>(parts[0]), nb::cast<Label>(parts[1]), nb::cast<StateId>(parts[2])};
    if (!is_cost(step.cost) || step.olabel < 0 || step.next < 0) {
      fst_error("a step with label ", label, " from state ", s, " costs ", step.cost, ", has the output label ",
                step.olabel, " and leads to state ", step.next, "; expected a number and labels and states from 0 on");
    }
    return step;
  }

 private:
  nb::object called_;
  bool expects_;
};

template <class W>
void bind_composition(nb::module_& m) {
  m.def(
      "compose_on_demand",
      [](const Fst<W>& fst, const OnDemandPtr& model, bool inverse, bool connect, std::uint64_t max_states,
         std::uint64_t max_arcs) {
        const OnDemandOptions options{inverse, connect, {max_states, max_arcs}};
        return released([&, copy = fst] { return compose_on_demand(copy, *model, options); });
      },
      "fst"_a, "model"_a, "inverse"_a, "connect"_a, "max_states"_a, "max_arcs"_a);
}

template <class W>
void bind_predeterminize(nb::module_& m) {
  m.def(
      "predeterminize",
      [](const Fst<W>& fst, Label first_new) {
        Label added = 0;
        Fst<W> made = released([&, copy = fst] { return predeterminize(copy, first_new, added); });
        return nb::make_tuple(std::move(made), added);
      },
      "fst"_a, "first_new"_a);
}

}  // namespace

void bind_fst_special(nb::module_& m) {
  nb::class_<OnDemand>(m, "OnDemand", "A deterministic automaton that is made as one walks along.")
      .def("start", [](OnDemand& self) { return released([&] { return self.start(); }); })
      .def("final", [](OnDemand& self, StateId s) { return released([&] { return self.final(s); }); })
      .def("step",
           [](OnDemand& self, StateId s, Label label) -> nb::object {
             const Step step = released([&] { return self.step(s, label); });
             if (step.next == kNoState) return nb::none();
             return nb::make_tuple(step.cost, step.olabel, step.next);
           })
      .def_static("backoff",
                  [](const StdFst& fst, Label label) -> OnDemandPtr {
                    return released([copy = fst, label] { return std::make_shared<BackoffOnDemand>(copy, label); });
                  })
      .def_static("ngram",
                  [](std::shared_ptr<NgramLm> lm) -> OnDemandPtr { return std::make_shared<NgramOnDemand>(lm); })
      .def_static("const_arpa", [](std::shared_ptr<ConstArpa> lm) -> OnDemandPtr {
        return std::make_shared<ConstArpaOnDemand>(lm);
      })
      .def_static("history", [](int order) -> OnDemandPtr { return std::make_shared<HistoryOnDemand>(order); })
      .def_static("scaled",
                  [](float scale, OnDemandPtr of) -> OnDemandPtr {
                    if (!std::isfinite(scale)) fst_error("a scale of ", scale, "; expected a finite number");
                    return std::make_shared<ScaledOnDemand>(scale, std::move(of));
                  })
      .def_static("composed",
                  [](OnDemandPtr first, OnDemandPtr second) -> OnDemandPtr {
                    return released([&] { return std::make_shared<ComposedOnDemand>(first, second); });
                  })
      .def_static("cached",
                  [](OnDemandPtr of, std::size_t steps) -> OnDemandPtr {
                    return std::make_shared<CachedOnDemand>(std::move(of), steps);
                  })
      .def_static("called",
                  [](nb::object called) -> OnDemandPtr { return std::make_shared<CalledOnDemand>(std::move(called)); });
  bind_composition<TropicalWeight>(m);
  bind_composition<LogWeight>(m);
  bind_composition<LatticeWeight>(m);
  bind_composition<CompactWeight>(m);
  bind_predeterminize<TropicalWeight>(m);
  bind_predeterminize<LogWeight>(m);

  m.def("push_special", [](const StdFst& fst, double delta) {
    PushedSpecial pushed = released([&, copy = fst] { return push_special(copy, delta); });
    return nb::make_tuple(std::move(pushed.fst), pushed.spread, pushed.iterations);
  });
  m.def("propagate_final", [](const StdFst& fst, Label phi) {
    return released([copy = fst, phi] { return propagate_final(copy, phi); });
  });
  m.def("make_preceding_input_symbols_same", [](const StdFst& fst, bool epsilon) {
    return released([copy = fst, epsilon] { return make_preceding_input_symbols_same(copy, epsilon); });
  });
  m.def("make_following_input_symbols_same", [](const StdFst& fst, bool epsilon) {
    return released([copy = fst, epsilon] { return make_following_input_symbols_same(copy, epsilon); });
  });
  m.def("remove_useless_arcs",
        [](const StdFst& fst) { return released([copy = fst] { return remove_useless_arcs(copy); }); });
  m.def("equal_align", [](const StdFst& fst, std::int64_t length, std::uint32_t seed, int retries) {
    return released([=, copy = fst] { return equal_align(copy, length, seed, retries); });
  });
  m.def("determinize_lattice", [](const Fst<LatticeWeight>& fst, float delta, std::uint64_t max_states) {
    return released([=, copy = fst] { return determinize_lattice(copy, delta, {max_states, 0}); });
  });
  m.def("determinize_lattice_compact", [](const Fst<LatticeWeight>& fst, float delta, std::uint64_t max_states) {
    return released([=, copy = fst] { return determinize_lattice_compact(copy, delta, {max_states, 0}); });
  });
}

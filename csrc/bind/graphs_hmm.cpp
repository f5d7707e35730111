#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <mutex>

#include "graphs/context.h"
#include "graphs/hmm.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

template <class T, int dimensions = 1>
using Numbers = nb::ndarray<const T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
using Integers = Numbers<std::int32_t>;

template <class T, class A>
std::vector<T> copied(const A& array) {
  return {array.data(), array.data() + array.size()};
}

template <class T>
std::span<const T> span_of(const Numbers<T>& array) {
  return {array.data(), array.size()};
}

template <class T>
nb::object to_numpy(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

// One thread at a time, without the GIL.
class Context {
 public:
  Context(Label subsequential, const Integers& phones, const Integers& disambig, int width, int central)
      : context_(subsequential, copied<Label>(phones), copied<Label>(disambig), width, central) {}
  template <class Body>
  auto use(Body body) {
    nb::gil_scoped_release no_gil;
    const std::lock_guard lock(mutex_);
    return body(context_);
  }

 private:
  InverseContext context_;
  std::mutex mutex_;
};

template <class W>
Fst<W> with_transition_probs(const Transitions& self, const Fst<W>& fst, Integers disambig, float transition_scale,
                             float self_loop_scale) {
  return released([&, copy = fst] {
    return add_transition_probs(copy, self, span_of(disambig), transition_scale, self_loop_scale);
  });
}

}  // namespace

void bind_graphs_hmm(nb::module_& m) {
  nb::class_<Context>(m, "InverseContext", "The inverse of the context transducer C, made as it is asked for.")
      .def(nb::init<Label, Integers, Integers, int, int>(), "subsequential_symbol"_a, "phones"_a, "disambig"_a,
           "width"_a, "central"_a)
      .def("is_final", [](Context& self, StateId s) { return self.use([s](auto& c) { return c.is_final(s); }); })
      .def("step",
           [](Context& self, StateId s, Label label) {
             const auto step = self.use([=](auto& c) { return c.step(s, label); });
             return nb::make_tuple(step.olabel, step.next);
           })
      .def("windows",
           [](Context& self) {
             std::vector<std::int64_t> begins;
             std::vector<std::int32_t> symbols;
             self.use([&](auto& c) {
               begins.assign(c.windows().begins().begin(), c.windows().begins().end());
               symbols.assign(c.windows().symbols().begin(), c.windows().symbols().end());
             });
             return nb::make_tuple(to_numpy(std::move(begins)), to_numpy(std::move(symbols)));
           })
      .def(
          "compose",
          [](Context& self, const Fst<TropicalWeight>& fst, bool ended, std::uint64_t max_states,
             std::uint64_t max_arcs) {
            return self.use(
                [&, copy = fst](auto& c) { return compose_context(copy, c, ended, {max_states, max_arcs}); });
          },
          "fst"_a, "ended"_a, "max_states"_a, "max_arcs"_a);

  m.def(
      "add_subsequential_loop",
      [](const Fst<TropicalWeight>& fst, Label symbol) {
        return released([&, copy = fst] { return add_subsequential_loop(copy, symbol); });
      },
      "fst"_a, "symbol"_a);

  nb::class_<Transitions>(m, "Transitions", "A transition model as tables.")
      .def(
          "__init__",
          [](Transitions* self, Integers entry_of, Integers first_state, Numbers<std::int32_t, 2> pdf_classes,
             Integers first_transition, Integers destination, Numbers<float> probability,
             Numbers<std::int32_t, 2> tuples, Numbers<float> log_probs) {
            TransitionTables tables{copied<std::int32_t>(entry_of),    copied<std::int32_t>(first_state),
                                    copied<std::int32_t>(pdf_classes), copied<std::int32_t>(first_transition),
                                    copied<std::int32_t>(destination), copied<float>(probability),
                                    copied<std::int32_t>(tuples),      copied<float>(log_probs)};
            nb::gil_scoped_release no_gil;
            new (self) Transitions(std::move(tables));
          },
          "entry_of"_a, "first_state"_a, "pdf_classes"_a, "first_transition"_a, "destination"_a, "probability"_a,
          "tuples"_a, "log_probs"_a)
      .def(
          "h_transducer",
          [](const Transitions& self, Numbers<std::int64_t> begins, Integers symbols, int width, int central,
             Numbers<std::int32_t, 2> pdfs, float transition_scale, std::uint64_t max_states, std::uint64_t max_arcs) {
            const ContextLabels labels{span_of(begins), span_of(symbols), width,
                                       central,         {pdfs.data(), pdfs.size()}, pdfs.shape(1)};
            HTransducer h = released(
                [&] { return h_transducer(labels, self, transition_scale, {max_states, max_arcs}); });
            return nb::make_tuple(std::move(h.fst), std::move(h.disambig));
          },
          "begins"_a, "symbols"_a, "width"_a, "central"_a, "pdfs"_a, "transition_scale"_a, "max_states"_a,
          "max_arcs"_a)
      .def(
          "add_self_loops",
          [](const Transitions& self, const Fst<TropicalWeight>& fst, Integers disambig, float scale, bool reorder,
             bool check, std::uint64_t max_states, std::uint64_t max_arcs) {
            const SelfLoopOptions options{scale, reorder, check, {max_states, max_arcs}};
            return released([&, copy = fst] { return add_self_loops(copy, self, span_of(disambig), options); });
          },
          "fst"_a, "disambig"_a, "scale"_a, "reorder"_a, "check"_a, "max_states"_a, "max_arcs"_a)
      .def("add_transition_probs", with_transition_probs<TropicalWeight>, "fst"_a, "disambig"_a, "transition_scale"_a,
           "self_loop_scale"_a)
      .def("add_transition_probs", with_transition_probs<LatticeWeight>, "fst"_a, "disambig"_a, "transition_scale"_a,
           "self_loop_scale"_a);
}

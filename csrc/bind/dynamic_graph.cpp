#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fst/lazy.h"
#include "search/dynamic_grammar.h"
#include "search/dynamic_graph.h"
#include "search/dynamic_lazy.h"
#include "search/dynamic_lm.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using StdFst = Fst<TropicalWeight>;
using Right = RightSide<TropicalWeight>;
using Columns = std::optional<nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>>;
using Graphs = std::shared_ptr<DynamicGraphs>;

Graphs graphs_of(DynamicGraphs::Make make, const std::vector<Label>& labels, const Columns& columns,
                 const DynamicGraphs::Options& options) {
  std::span<const std::int32_t> table;
  if (columns) table = {columns->data(), columns->size()};
  return std::make_shared<DynamicGraphs>(std::move(make), labels, table, options);
}

// A lazy composition for each; the labels that it may read are those of the left side that are not removed.
template <class Compose>
Graphs composed(const StdFst& left, Compose compose, const LazyOptions& lazy, const Columns& columns) {
  return released([&, copy = left] {
    std::vector<Label> labels = input_labels(copy.view());
    for (const Label label : lazy.remove) std::erase(labels, label);
    auto make = [=] { return std::make_unique<LazySource>(compose(copy, lazy)); };
    make();  // so that errors come now
    return graphs_of(std::move(make), labels, columns, {lazy.max_bytes});
  });
}

Graphs plain(const StdFst& left, Right right, int filter, int special, Label special_label, const LazyOptions& lazy,
             const Columns& columns) {
  if (filter < 0 || filter > int(ComposeFilter::kNoMatch)) fst_error("there is no compose filter ", filter);
  if (special < 0 || special > int(Special::kSigma)) fst_error("there is no matcher ", special);
  const ComposeOptions how{ComposeFilter(filter), false, Special(special), special_label, {}};
  const auto compose = [right = std::move(right), how](const StdFst& left, const LazyOptions& lazy) {
    return compose_lazily(left, right, how, lazy);
  };
  return composed(left, compose, lazy, columns);
}

Graphs ahead(const StdFst& left, Right right, std::shared_ptr<const Reachability> reach, LookAheadOptions how,
             const LazyOptions& lazy, const Columns& columns) {
  const auto compose = [right = std::move(right), reach = std::move(reach), how](const StdFst& left,
                                                                                 const LazyOptions& lazy) {
    return compose_ahead<TropicalWeight>(left, right, reach, how, lazy);
  };
  return composed(left, compose, lazy, columns);
}

Right right_side(const StdFst& fst) { return {fst, {}}; }
Right right_side(std::shared_ptr<NgramFst<TropicalWeight>> ngram) { return {{}, std::move(ngram)}; }

template <class Given>
void bind_compositions(nb::class_<DynamicGraphs>& c) {
  c.def_static(
      "compose",
      [](const StdFst& left, Given right, int filter, int special, Label label, const std::vector<Label>& remove,
         std::uint64_t max_bytes, const Columns& columns) {
        return plain(left, right_side(std::move(right)), filter, special, label, {max_bytes, remove}, columns);
      },
      "left"_a, "right"_a, "filter"_a, "special"_a, "special_label"_a, "remove"_a, "max_bytes"_a, "columns"_a.none());
  c.def_static(
      "compose_ahead",
      [](const StdFst& left, Given right, std::shared_ptr<Reachability> reach, bool push_weights, bool push_labels,
         const std::vector<Label>& remove, std::uint64_t max_bytes, const Columns& columns) {
        return ahead(left, right_side(std::move(right)), std::move(reach), {push_weights, push_labels},
                     {max_bytes, remove}, columns);
      },
      "left"_a, "right"_a, "reach"_a, "push_weights"_a, "push_labels"_a, "remove"_a, "max_bytes"_a,
      "columns"_a.none());
}

}  // namespace

void bind_dynamic_graph(nb::module_& m) {
  nb::class_<DynamicGraphs> c(m, "DynamicGraphs", "Decoding graphs whose states are made as searches meet them.");
  c.def("num_columns", &DynamicGraphs::num_columns);
  c.def_static(
      "with_lm",
      [](const StdFst& graph, OnDemandPtr lm, std::uint64_t max_bytes, const Columns& columns) {
        return released([&, copy = graph] {
          const std::vector<Label> labels = input_labels(copy.view());
          auto make = [copy, lm] { return std::make_unique<LmSource>(copy, fresh(lm)); };
          return graphs_of(std::move(make), labels, columns,
                           {.max_bytes = max_bytes, .older_rules = true, .fresh = true});
        });
      },
      "graph"_a, "lm"_a, "max_bytes"_a, "columns"_a.none());
  c.def_static(
      "grammar",
      [](std::vector<StdFst> graphs, const std::vector<Label>& names, const std::vector<Label>& labels, Label blank,
         std::uint64_t max_bytes, const Columns& columns) {
        if (graphs.size() != names.size() + 1) fst_error("a grammar of ", graphs.size(), " graphs");
        auto grammar = std::make_shared<Grammar>(std::move(graphs), names);
        return released([&] {
          auto make = [grammar, blank]() -> std::unique_ptr<DynamicSource> {
            auto source = std::make_unique<GrammarSource>(grammar);
            if (blank == 0) return source;
            return std::make_unique<CtcSource>(std::move(source), blank);
          };
          return graphs_of(std::move(make), labels, columns, {.max_bytes = max_bytes});
        });
      },
      "graphs"_a, "names"_a, "labels"_a, "blank"_a, "max_bytes"_a, "columns"_a.none());
  m.def(
      "graph_labels", [](const StdFst& graph) { return released([copy = graph] { return input_labels(copy.view()); }); },
      "graph"_a);
  bind_compositions<const StdFst&>(c);
  bind_compositions<std::shared_ptr<NgramFst<TropicalWeight>>>(c);
}

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "fst/error.h"
#include "graphs/ctc.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

void bind_graphs_lexicon(nb::module_& m) {
  using Labels = nb::ndarray<const Label, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
  m.def(
      "compose_ctc",
      [](const Fst<TropicalWeight>& lg, const Labels& labels, int topology, bool self_loops, std::uint64_t max_states,
         std::uint64_t max_arcs) {
        if (topology < 0 || topology > int(CtcTopology::kMinimal)) fst_error("there is no topology ", topology);
        const CtcOptions options{CtcTopology(topology), self_loops, {max_states, max_arcs}};
        nb::gil_scoped_release no_gil;
        return compose_ctc(Fst<TropicalWeight>(lg), {labels.data(), labels.size()}, options);
      },
      "lg"_a, "labels"_a.noconvert(), "topology"_a, "self_loops"_a, "max_states"_a, "max_arcs"_a);
}

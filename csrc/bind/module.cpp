#include <nanobind/nanobind.h>

#include "pool.h"

namespace nb = nanobind;

void bind_features(nb::module_& m);
void bind_feature_parts(nb::module_& m);
void bind_files(nb::module_& m);
void bind_frames(nb::module_& m);
void bind_tables(nb::module_& m);
void bind_gmm(nb::module_& m);
void bind_graphs_hmm(nb::module_& m);
void bind_pitch(nb::module_& m);
void bind_fsa(nb::module_& m);
void bind_fsa_pruned(nb::module_& m);
void bind_fsa_frames(nb::module_& m);
void bind_fsa_rnnt(nb::module_& m);
void bind_fsa_text(nb::module_& m);
void bind_fst(nb::module_& m);
void bind_lm(nb::module_& m);
void bind_fst_composition(nb::module_& m);
void bind_fst_encode(nb::module_& m);
void bind_fst_lazy(nb::module_& m);
void bind_fst_algorithms(nb::module_& m);
void bind_fst_special(nb::module_& m);
void bind_fst_transduction(nb::module_& m);
void bind_graphs_lexicon(nb::module_& m);
void bind_lattice(nb::module_& m);
void bind_fusion(nb::module_& m);
void bind_search(nb::module_& m);
void bind_transducer(nb::module_& m);
void bind_dynamic_graph(nb::module_& m);
void bind_text_alignment(nb::module_& m);
void bind_graph_search(nb::module_& m);

NB_MODULE(_native, m) {
  // What a traceback or a cache still holds when Python ends is no leak of ours, and its list no help to a user.
  nb::set_leak_warnings(false);
  m.doc() = "The native core of sonant: flat arrays in, flat arrays out; every call drops the GIL.";
  m.def("hardware_threads", &sonant::hardware_threads,
        "Threads that a call without num_threads uses: the cores that this process may run on.");
  bind_features(m);
  bind_feature_parts(m);
  bind_files(m);
  bind_gmm(m);
  bind_graphs_hmm(m);
  bind_frames(m);
  bind_pitch(m);
  bind_fsa(m);
  bind_fsa_pruned(m);
  bind_fsa_frames(m);
  bind_fsa_rnnt(m);
  bind_fsa_text(m);
  bind_fst(m);
  bind_lm(m);
  bind_fst_composition(m);
  bind_fst_encode(m);
  bind_fst_lazy(m);
  bind_fst_algorithms(m);
  bind_fst_special(m);
  bind_fst_transduction(m);
  bind_graphs_lexicon(m);
  bind_lattice(m);
  bind_fusion(m);
  bind_search(m);
  bind_transducer(m);
  bind_dynamic_graph(m);
  bind_text_alignment(m);
  bind_graph_search(m);
  bind_tables(m);
}

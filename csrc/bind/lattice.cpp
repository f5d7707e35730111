#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lattice/align.h"
#include "lattice/rescore.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> array_of(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return {kept->data(), {kept->size()}, owner};
}

LatticeDeterminizeOptions options_of(double beam, float delta, std::int64_t max_memory, std::int64_t max_loop,
                                     std::int64_t max_states, std::int64_t max_arcs, double retry_cutoff) {
  return {beam, delta, max_memory, max_loop, max_states, max_arcs, retry_cutoff};
}

template <class W>
void bind_scores(nb::module_& m) {
  m.def("lattice_costs", [](const Fst<W>& lattice, bool best) {
    LatticeCosts costs = released([&, copy = lattice] { return lattice_costs(copy.view(), best); });
    return nb::make_tuple(costs.total, array_of(std::move(costs.forward)), array_of(std::move(costs.backward)));
  });
  m.def("lattice_times", [](const Fst<W>& lattice) {
    LatticeTimes times = released([copy = lattice] { return lattice_times(copy.view()); });
    return nb::make_tuple(times.frames, array_of(std::move(times.times)));
  });
  m.def("lattice_arc_posteriors", [](const Fst<W>& lattice) {
    return array_of(released([copy = lattice] { return arc_posteriors(copy.view()); }));
  });
  m.def("lattice_add_word_penalty", [](const Fst<W>& lattice, float penalty) {
    return released([copy = lattice, penalty] { return add_word_penalty(copy, penalty); });
  });
  m.def("lattice_longest_sentence", [](const Fst<W>& lattice) {
    return released([copy = lattice] { return longest_sentence(copy.view()); });
  });
  m.def("lattice_sorted", [](const Fst<W>& lattice) {
    return released([copy = lattice] { return sorted(copy, "topological sorting"); });
  });
}

// While thousands of objects are made that hold no garbage, Python need not look for it in them.
struct NoCollection {
  const bool was_on = PyGC_Disable();
  ~NoCollection() {
    if (was_on) PyGC_Enable();
  }
};

Transitions transitions_of(const Integers& phones, const Bytes& last, const Bytes& self_loops) {
  const std::size_t n = phones.size();
  if (n == 0 || last.size() != n || self_loops.size() != n) {
    fst_error("tables of ", n, ", ", last.size(), " and ", self_loops.size(), " transition-ids; expected as many of each");
  }
  return {{phones.data(), n}, {last.data(), n}, {self_loops.data(), n}};
}

// (begin and end of each bin, how many words it has, their numbers, (probability, begin, end) of each).
nb::tuple sausage_of(const MbrResult& result) {
  std::vector<double> times;
  std::vector<std::int32_t> counts, words;
  std::vector<float> values;
  for (const Bin& bin : result.sausage) {
    times.insert(times.end(), {bin.begin, bin.end});
    counts.push_back(std::int32_t(bin.words.size()));
    for (const Bin::Word& w : bin.words) {
      words.push_back(w.word);
      values.insert(values.end(), {w.probability, w.begin, w.end});
    }
  }
  return nb::make_tuple(array_of(std::move(times)), array_of(std::move(counts)), array_of(std::move(words)),
                        array_of(std::move(values)));
}

}  // namespace

void bind_lattice(nb::module_& m) {
  bind_scores<LatticeWeight>(m);
  bind_scores<CompactWeight>(m);
  m.def(
      "lattice_determinize_pruned",
      [](const Lattice& lattice, double beam, float delta, std::int64_t max_memory, std::int64_t max_loop,
         std::int64_t max_states, std::int64_t max_arcs, double retry_cutoff, bool compact) {
        const auto options = options_of(beam, delta, max_memory, max_loop, max_states, max_arcs, retry_cutoff);
        bool complete = true;
        if (!compact) {
          Lattice made =
              released([&, copy = lattice] { return determinize_pruned_chains(copy, options, complete); });
          return nb::make_tuple(std::move(made), complete);
        }
        CompactLattice made = released([&, copy = lattice] { return determinize_pruned(copy, options, complete); });
        return nb::make_tuple(std::move(made), complete);
      },
      "lattice"_a, "beam"_a, "delta"_a, "max_memory"_a, "max_loop"_a, "max_states"_a, "max_arcs"_a, "retry_cutoff"_a,
      "compact"_a);
  m.def(
      "lattice_determinize_phone_pruned",
      [](const Lattice& lattice, const Integers& phones, double beam, float delta, std::int64_t max_memory,
         bool phone_determinize, bool word_determinize, bool minimize) {
        PhoneDeterminizeOptions options;
        options.pruned.beam = beam;
        options.pruned.delta = delta;
        options.pruned.max_memory = max_memory;
        options.phones = phone_determinize;
        options.words = word_determinize;
        options.minimize = minimize;
        bool complete = true;
        const std::span<const std::int32_t> table(phones.data(), phones.size());
        CompactLattice made =
            released([&, copy = lattice] { return determinize_phone_pruned(copy, table, options, complete); });
        return nb::make_tuple(std::move(made), complete);
      },
      "lattice"_a, "phones"_a, "beam"_a, "delta"_a, "max_memory"_a, "phone_determinize"_a, "word_determinize"_a,
      "minimize"_a);
  m.def(
      "lattice_compose_pruned",
      [](const CompactLattice& lattice, const OnDemandPtr& model, float beam, int max_arcs, int initial_arcs,
         float growth, int ahead, std::uint64_t max_states) {
        const PrunedComposeOptions options{beam, max_arcs, initial_arcs, growth, ahead, {max_states, 0}};
        return released([&, copy = lattice] { return compose_pruned(copy, *model, options); });
      },
      "lattice"_a, "model"_a, "beam"_a, "max_arcs"_a, "initial_arcs"_a, "growth"_a, "ahead"_a, "max_states"_a);
  m.def("lattice_push_strings", [](const CompactLattice& lattice) {
    return released([copy = lattice] { return push_strings(copy); });
  });
  m.def("lattice_push_weights", [](const CompactLattice& lattice) {
    return released([copy = lattice] { return push_lattice_weights(copy); });
  });
  m.def("lattice_minimize", [](const CompactLattice& lattice, float delta) {
    return released([copy = lattice, delta] { return minimize_lattice(copy, delta); });
  });
  m.def("lattice_frame_posteriors", [](const Lattice& lattice) {
    FramePosteriors p = released([copy = lattice] { return frame_posteriors(copy.view()); });
    return nb::make_tuple(p.total, p.acoustic, array_of(std::move(p.begin)), array_of(std::move(p.labels)),
                          array_of(std::move(p.probabilities)));
  });
  m.def("lattice_accuracy_posteriors", [](const Lattice& lattice, const Floats& accuracies) {
    FramePosteriors p = released([&, copy = lattice] {
      return accuracy_posteriors(copy.view(), {accuracies.data(), accuracies.size()});
    });
    return nb::make_tuple(p.total, array_of(std::move(p.begin)), array_of(std::move(p.labels)),
                          array_of(std::move(p.probabilities)));
  });
  // Lists of (label, probability): what PyKaldi calls a posterior.
  m.def("posterior_frames", [](const Counts& begin, const Integers& labels, const Floats& probabilities) {
    const std::size_t frames = begin.size() ? begin.size() - 1 : 0, n = labels.size();
    for (std::size_t t = 0; t < frames; ++t) {
      if (begin.data()[t] > begin.data()[t + 1] || begin.data()[t + 1] > n || probabilities.size() != n) {
        fst_error("the entries of frame ", t, " are not among ", n, " labels and ", probabilities.size(), " probabilities");
      }
    }
    nb::list result;
    const NoCollection pause;
    for (std::size_t t = 0; t < frames; ++t) {
      const std::size_t first = begin.data()[t], count = begin.data()[t + 1] - first;
      nb::object frame = nb::steal(PyList_New(Py_ssize_t(count)));
      for (std::size_t i = 0; i < count; ++i) {
        PyObject* pair = PyTuple_New(2);
        PyTuple_SetItem(pair, 0, PyLong_FromLong(labels.data()[first + i]));
        PyTuple_SetItem(pair, 1, PyFloat_FromDouble(probabilities.data()[first + i]));
        PyList_SetItem(frame.ptr(), Py_ssize_t(i), pair);
      }
      result.append(frame);
    }
    return result;
  });
  m.def("lattice_depth_per_frame", [](const CompactLattice& lattice) {
    return array_of(released([copy = lattice] { return depth_per_frame(copy.view()); }));
  });
  m.def("lattice_limit_depth", [](const CompactLattice& lattice, std::size_t most) {
    return released([copy = lattice, most] { return limit_depth(copy, most); });
  });
  m.def(
      "lattice_mbr",
      [](const CompactLattice& lattice, const std::optional<std::vector<Label>>& words, bool decode, bool print_silence) {
        const MbrResult result = released([&, copy = lattice] {
          return minimum_bayes_risk(copy, words ? &*words : nullptr, {decode, print_silence});
        });
        return nb::make_tuple(result.words, result.times, result.confidences, result.risk, sausage_of(result));
      },
      "lattice"_a, "words"_a.none(), "decode"_a, "print_silence"_a);
  m.def(
      "lattice_keyword_index",
      [](const CompactLattice& lattice, Label utterance, int max_silence) {
        return released([=, copy = lattice] { return keyword_index(copy, utterance, max_silence); });
      },
      "lattice"_a, "utterance"_a, "max_silence"_a);
  m.def("lattice_oracle", [](const CompactLattice& lattice, const std::vector<Label>& reference) {
    OraclePath found = released([&, copy = lattice] { return oracle_path(copy, reference); });
    return nb::make_tuple(std::move(found.path), found.insertions, found.deletions, found.substitutions);
  });
  m.def(
      "lattice_align_words",
      [](const CompactLattice& lattice, const Integers& phones, const Bytes& last, const Bytes& self_loops,
         const Bytes& types, bool reorder, Label silence, Label partial, std::uint64_t max_states) {
        const Transitions transitions = transitions_of(phones, last, self_loops);
        const WordBoundaries words{{types.data(), types.size()}, reorder, silence, partial};
        Aligned made =
            released([&, copy = lattice] { return align_words(copy, transitions, words, max_states); });
        return nb::make_tuple(std::move(made.lattice), made.flaw);
      },
      "lattice"_a, "phones"_a, "last"_a, "self_loops"_a, "types"_a, "reorder"_a, "silence"_a, "partial"_a,
      "max_states"_a);
  m.def(
      "lattice_align_phones",
      [](const CompactLattice& lattice, const Integers& phones, const Bytes& last, const Bytes& self_loops, bool reorder,
         bool remove_epsilons, bool phones_as_words) {
        const Transitions transitions = transitions_of(phones, last, self_loops);
        Aligned made = released([&, copy = lattice] {
          return align_phones(copy, transitions, {reorder, remove_epsilons, phones_as_words});
        });
        return nb::make_tuple(std::move(made.lattice), made.flaw);
      },
      "lattice"_a, "phones"_a, "last"_a, "self_loops"_a, "reorder"_a, "remove_epsilons"_a, "phones_as_words"_a);
  m.def(
      "lattice_align_lexicon",
      [](const CompactLattice& lattice, const Integers& phones, const Bytes& last, const Bytes& self_loops,
         const std::vector<std::vector<std::int32_t>>& lexicon, bool reorder, Label partial, std::uint64_t max_states) {
        const Transitions transitions = transitions_of(phones, last, self_loops);
        std::vector<LexiconEntry> entries;
        for (const auto& line : lexicon) {
          if (line.size() < 2) fst_error("an entry of ", line.size(), " numbers; expected two words and phones");
          for (const std::int32_t number : line) {
            if (number < 0 || number > 0x7ffffff0) fst_error("an entry of the lexicon has the number ", number);
          }
          entries.push_back({line[0], line[1], {line.begin() + 2, line.end()}});
        }
        Aligned made = released([&, copy = lattice] {
          return align_words_by_lexicon(copy, transitions, entries, {reorder, partial, max_states});
        });
        return nb::make_tuple(std::move(made.lattice), made.flaw);
      },
      "lattice"_a, "phones"_a, "last"_a, "self_loops"_a, "lexicon"_a, "reorder"_a, "partial"_a, "max_states"_a);
}

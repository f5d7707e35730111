#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <vector>

#include "hot_phrases.h"
#include "search/ctc.h"
#include "guarded.h"
#include "pool.h"
#include "search/transducer.h"
#include "search/transducer_time_sync.h"

namespace nb = nanobind;
using namespace sonant;

namespace {

using ScoreArray = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

Scores view(const ScoreArray& array) {
  return {array.data(), static_cast<std::int64_t>(array.shape(0)), static_cast<std::int64_t>(array.shape(1))};
}

// ---- Results: tuples, which Python makes frozen dataclasses of.

template <class T, class Convert>
nb::object to_tuple(const std::vector<T>& values, Convert convert) {
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(values.size()));
  if (!tuple) nb::raise_python_error();
  nb::object result = nb::steal(tuple);
  for (std::size_t i = 0; i < values.size(); ++i) {
    PyObject* item = convert(values[i]);
    if (!item) nb::raise_python_error();
    PyTuple_SetItem(tuple, static_cast<Py_ssize_t>(i), item);
  }
  return result;
}

nb::object to_python(const Hypothesis& h) {
  const auto integer = [](std::int32_t value) { return PyLong_FromLong(value); };
  const auto real = [](float value) { return PyFloat_FromDouble(value); };
  const auto text = [](const std::string& value) {
    return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "surrogateescape");
  };
  return nb::make_tuple(to_tuple(h.tokens, integer), to_tuple(h.frames, integer), to_tuple(h.end_frames, integer),
                        to_tuple(h.log_probs, real), h.score, h.acoustic, h.lm, to_tuple(h.words, text),
                        to_tuple(h.word_ends, integer), h.complete);
}

nb::list to_python(const std::vector<Hypothesis>& hypotheses) {
  nb::list result;
  for (const Hypothesis& h : hypotheses) result.append(to_python(h));
  return result;
}

// ---- Streaming searches.

template <class Search>
void bind_ctc(nb::class_<Guarded<Search>>& c) {
  using Self = Guarded<Search>;
  c.def(
       "advance",
       [](Self& self, const ScoreArray& scores) {
         self.run([&](Search& search) { search.advance(view(scores)); });
       },
       nb::arg("scores").noconvert())
      .def("hypotheses",
           [](Self& self, std::int64_t nbest, std::int32_t start, bool final) {
             return to_python(self.run([&](Search& search) { return search.hypotheses(nbest, start, final); }));
           })
      .def("stable", [](Self& self) { return self.run([](Search& search) { return search.stable(); }); })
      .def("frames", [](Self& self) { return self.run([](Search& search) { return search.frames(); }); });
}

template <class F>
nb::class_<Guarded<CtcPrefixBeam<F>>> bind_prefix_beam(nb::module_& m, const char* name) {
  using Self = Guarded<CtcPrefixBeam<F>>;
  nb::class_<Self> c(m, name);
  bind_ctc(c);
  c.def("capacity", [](Self& self) { return self.run([](CtcPrefixBeam<F>& search) { return search.capacity(); }); });
  c.def("set_hot_words", [](Self& self, const HotPhrases& hot) {
    self.run([&](CtcPrefixBeam<F>& search) { search.set_hot_words(to_phrases(hot.first), to_phrases(hot.second)); });
  });
  return c;
}

using Transducer = Guarded<std::unique_ptr<TransducerSearch>>;
using Owned = std::unique_ptr<TransducerSearch>;

// With fusion, where there is a model of one.
template <template <class> class Search, class... Options>
Owned make_transducer(const std::shared_ptr<FusionModel>& model, Options... options) {
  if (!model) return std::make_unique<Search<NoFusion>>(options...);
  return std::make_unique<Search<Fusion>>(options..., Fusion(model));
}

using ContextArray = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>>;

ContextArray to_contexts(std::vector<std::int64_t> values, std::size_t context_size) {
  auto* kept = new std::vector<std::int64_t>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<std::int64_t>*>(p); });
  return ContextArray(kept->data(), {kept->size() / context_size, context_size}, owner);
}

// Appends the contexts of one search; returns how many rows.
std::int64_t append_contexts(const Owned& search, std::vector<std::int64_t>& out) {
  const std::size_t before = out.size();
  const std::int64_t live = search->live();
  out.resize(before + static_cast<std::size_t>(live * search->context_size()));
  search->write_contexts(out.data() + before);
  return live;
}

std::pair<ContextArray, std::vector<std::int64_t>> contexts_of(const std::vector<Transducer*>& searches,
                                                               std::size_t context_size) {
  std::vector<std::int64_t> contexts, rows;
  {
    nb::gil_scoped_release release;
    for (Transducer* search : searches) {
      search->run_released([&](const Owned& owned) { rows.push_back(append_contexts(owned, contexts)); });
    }
  }
  return {to_contexts(std::move(contexts), context_size), std::move(rows)};
}

// What went wrong, and in which of the list's entries.
[[noreturn]] void fail(std::size_t utterance, const SearchError& error) {
  throw SearchError("utterance " + std::to_string(utterance) + ": " + error.what());
}

// `rows` and `scores` as contexts_of and the step function gave them. All is checked before any search moves.
std::vector<bool> advance_all(const std::vector<Transducer*>& searches, const std::vector<std::int64_t>& rows,
                              const std::vector<std::size_t>& names, const ScoreArray& array) {
  nb::gil_scoped_release release;
  const Scores scores = view(array);
  const auto each = [&](auto body) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < searches.size(); ++i) {
      const Scores part{scores.row(begin), rows[i], scores.tokens};
      searches[i]->run_released([&](Owned& search) {
        try {
          body(search, part);
        } catch (const SearchError& error) {
          fail(names[i], error);
        }
      });
      begin += rows[i];
    }
  };
  std::vector<bool> done;
  each([](Owned& search, const Scores& part) { search->check(part); });
  each([&](Owned& search, const Scores& part) { done.push_back(search->advance(part)); });
  return done;
}

// ---- A list of whole utterances: the streaming search on each, in parallel.

template <class Make>
nb::list search_all(const std::vector<ScoreArray>& arrays, std::int64_t nbest, int threads, Make make) {
  std::vector<std::vector<Hypothesis>> results(arrays.size());
  {
    nb::gil_scoped_release release;
    std::vector<std::optional<SearchError>> errors(arrays.size());
    parallel_for(arrays.size(), threads, [&](std::size_t i) {
      try {
        auto search = make(i);
        search.advance(view(arrays[i]));
        results[i] = search.hypotheses(nbest, 0, true);
      } catch (const SearchError& error) {
        errors[i] = error;
      }
    });
    for (std::size_t i = 0; i < errors.size(); ++i) {  // the first in the list, whichever thread came first
      if (errors[i]) fail(i, *errors[i]);
    }
  }
  nb::list list;
  for (const std::vector<Hypothesis>& result : results) list.append(to_python(result));
  return list;
}

}  // namespace

void bind_search(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const SearchError& error) {
      PyErr_SetString(nb::module_::import_("sonant.errors").attr("SearchError").ptr(), error.what());
    }
  });

  m.def("ctc_greedy", [](const std::vector<ScoreArray>& scores, std::int32_t blank, int threads) {
    return search_all(scores, 1, threads, [&](std::size_t) { return CtcGreedy(blank); });
  });
  m.def("ctc_prefix_beam", [](const std::vector<ScoreArray>& scores, std::int64_t beam, std::int64_t nbest,
                              std::int32_t blank, std::int32_t settle_after, int threads) {
    return search_all(scores, nbest, threads, [&](std::size_t) {
      return CtcPrefixBeam<NoFusion>(beam, blank, settle_after);
    });
  });
  m.def("fused_ctc_prefix_beam",
        [](const std::vector<ScoreArray>& scores, std::int64_t beam, std::int64_t nbest, std::int32_t blank,
           std::int32_t settle_after, int threads, const std::shared_ptr<FusionModel>& model,
           const std::vector<HotPhrases>& hot_words) {
          return search_all(scores, nbest, threads, [&](std::size_t i) {
            CtcPrefixBeam<Fusion> search(beam, blank, settle_after, Fusion(model));
            const HotPhrases& hot = hot_words[hot_words.size() == 1 ? 0 : i];
            search.set_hot_words(to_phrases(hot.first), to_phrases(hot.second));
            return search;
          });
        });

  nb::class_<Guarded<CtcGreedy>> greedy(m, "CtcGreedy");
  greedy.def("__init__", [](Guarded<CtcGreedy>* self, std::int32_t blank) {
    new (self) Guarded<CtcGreedy>(CtcGreedy(blank));
  });
  bind_ctc(greedy);

  bind_prefix_beam<NoFusion>(m, "CtcPrefixBeam")
      .def("__init__", [](Guarded<CtcPrefixBeam<NoFusion>>* self, std::int64_t beam, std::int32_t blank,
                          std::int32_t settle_after) {
        new (self) Guarded<CtcPrefixBeam<NoFusion>>(CtcPrefixBeam<NoFusion>(beam, blank, settle_after));
      });
  bind_prefix_beam<Fusion>(m, "FusedCtcPrefixBeam")
      .def("__init__", [](Guarded<CtcPrefixBeam<Fusion>>* self, std::int64_t beam, std::int32_t blank,
                          std::int32_t settle_after, const std::shared_ptr<FusionModel>& model) {
        new (self) Guarded<CtcPrefixBeam<Fusion>>(CtcPrefixBeam<Fusion>(beam, blank, settle_after, Fusion(model)));
      });

  nb::class_<Transducer>(m, "TransducerSearch")
      .def_static("greedy",
                  [](std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols,
                     const std::shared_ptr<FusionModel>& model) {
                    return std::make_unique<Transducer>(
                        make_transducer<TransducerGreedy>(model, context_size, blank, max_symbols));
                  },
                  nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def_static("beam",
                  [](std::int64_t beam, std::int64_t context_size, std::int32_t blank, std::int32_t settle_after,
                     const std::shared_ptr<FusionModel>& model) {
                    return std::make_unique<Transducer>(
                        make_transducer<TransducerBeam>(model, beam, context_size, blank, settle_after));
                  },
                  nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def_static("time_sync",
                  [](std::int64_t beam, std::int64_t context_size, std::int32_t blank, std::int64_t max_symbols,
                     std::int32_t settle_after, const std::shared_ptr<FusionModel>& model) {
                    return std::make_unique<Transducer>(make_transducer<TransducerTimeSync>(
                        model, beam, context_size, blank, max_symbols, settle_after));
                  },
                  nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("contexts",
           [](Transducer& self) {
             std::vector<std::int64_t> contexts;
             const std::int64_t size = self.run([&](const Owned& search) {
               append_contexts(search, contexts);
               return search->context_size();
             });
             return to_contexts(std::move(contexts), static_cast<std::size_t>(size));
           })
      .def(
          "advance",
          [](Transducer& self, const ScoreArray& scores) {
            return self.run([&](Owned& search) {
              search->check(view(scores));
              return search->advance(view(scores));
            });
          },
          nb::arg("scores").noconvert())
      .def("hypotheses",
           [](Transducer& self, std::int64_t nbest, std::int32_t start, bool final) {
             return to_python(self.run([&](Owned& search) { return search->hypotheses(nbest, start, final); }));
           })
      .def("set_hot_words",
           [](Transducer& self, const HotPhrases& hot) {
             self.run([&](Owned& search) { search->set_hot_words(to_phrases(hot.first), to_phrases(hot.second)); });
           })
      .def("stable", [](Transducer& self) { return self.run([](Owned& search) { return search->stable(); }); })
      .def("frames", [](Transducer& self) { return self.run([](Owned& search) { return search->frames(); }); })
      .def("capacity", [](Transducer& self) { return self.run([](Owned& search) { return search->capacity(); }); });
  m.def("transducer_contexts", &contexts_of);
  m.def("transducer_advance", &advance_all);
}

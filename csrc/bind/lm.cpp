#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "lm/arpa.h"
#include "lm/arpa_graph.h"
#include "lm/const_arpa.h"
#include "lm/ngram_count.h"
#include "lm/ngram_derive.h"
#include "lm/ngram_estimate.h"
#include "lm/ngram_lm.h"
#include "lm/ngram_score.h"
#include "released.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sonant;

namespace {

using Ids = std::vector<std::int32_t>;

nb::object to_python(std::string_view text) {
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "surrogateescape");
  if (!made) nb::raise_python_error();
  return nb::steal(made);
}

void put(WordTable& table, nb::handle word, std::int64_t key) {
  PyObject* bytes = PyUnicode_AsEncodedString(word.ptr(), "utf-8", "surrogateescape");
  if (!bytes) nb::raise_python_error();
  const nb::bytes owner = nb::steal<nb::bytes>(bytes);
  if (key < 0 || key > 0x7ffffffe) fst_error("the key ", key, " of a symbol; expected 0 to 2147483646");
  table.put({owner.c_str(), owner.size()}, static_cast<std::int32_t>(key));
}

ArpaOptions options_of(std::int32_t bos, std::int32_t eos, std::int32_t unk, int oov, std::int32_t max_warnings) {
  return {bos, eos, unk, static_cast<Oov>(oov), max_warnings};
}

nb::tuple warnings_of(const ArpaWarnings& warnings) {
  nb::list texts;
  for (const std::string& text : warnings.texts) texts.append(to_python(text));
  return nb::make_tuple(texts, warnings.count);
}

nb::tuple estimate_of(NgramEstimate made) {
  return nb::make_tuple(std::move(made.lm), made.discounts, made.warnings);
}

}  // namespace

void bind_lm(nb::module_& m) {
  nb::class_<WordTable>(m, "WordTable", "Words and their numbers.")
      .def("__init__",
           [](WordTable* self, const nb::list& words, const std::vector<std::int64_t>& keys) {
             new (self) WordTable();
             if (words.size() != keys.size()) fst_error(words.size(), " words and ", keys.size(), " numbers");
             for (std::size_t i = 0; i < keys.size(); ++i) put(*self, words[i], keys[i]);
           })
      .def("__len__", &WordTable::size)
      .def("next_key", &WordTable::next_key)
      .def("items", [](const WordTable& self, std::size_t from) {  // from this position on
        nb::list items;
        for (std::size_t i = from; i < self.size(); ++i) {
          items.append(nb::make_tuple(to_python(self.word_at(i)), self.key_at(i)));
        }
        return items;
      });

  m.def(
      "arpa_to_fst",
      [](Input& in, WordTable* words, std::int32_t bos, std::int32_t eos, std::int32_t unk, int oov,
         std::int32_t max_warnings, Label backoff) {
        ArpaGraph graph = released(
            [&] { return arpa_to_fst(in, words, options_of(bos, eos, unk, oov, max_warnings), backoff); });
        return nb::make_tuple(std::move(graph.fst), warnings_of(graph.warnings));
      },
      "stream"_a, "words"_a.none(), "bos"_a, "eos"_a, "unk"_a, "oov"_a, "max_warnings"_a, "backoff"_a);

  nb::class_<NgramLm>(m, "NgramLm", "A backoff n-gram model.")
      .def_static(
          "read",
          [](Input& in, WordTable* words, std::int32_t bos, std::int32_t eos, std::int32_t unk, int oov,
             std::int32_t max_warnings) {
            NgramLmFile file = released(
                [&] { return read_ngram_lm(in, words, options_of(bos, eos, unk, oov, max_warnings)); });
            return nb::make_tuple(std::move(file.lm), warnings_of(file.warnings));
          },
          "stream"_a, "words"_a.none(), "bos"_a, "eos"_a, "unk"_a, "oov"_a, "max_warnings"_a)
      .def("order", &NgramLm::order)
      .def("count", &NgramLm::count)
      .def("nbytes", &NgramLm::bytes)
      .def_rw("bos", &NgramLm::bos)
      .def_rw("eos", &NgramLm::eos)
      .def_rw("unk", &NgramLm::unk)
      .def("known", &NgramLm::known)
      .def("score",
           [](const NgramLm& self, const Ids& history, std::int32_t word) {
             auto context = self.context(history);
             return self.score(context, word);
           })
      .def("score_all",
           [](const NgramLm& self, Ids history, const Ids& words) {
             std::vector<double> scores;
             auto context = self.context(history);
             for (const std::int32_t word : words) {
               const std::int32_t known = self.known(word);
               if (known < 0) {
                 scores.push_back(-std::numeric_limits<double>::infinity());
                 context = NgramLm::kRoot;
               } else {
                 scores.push_back(self.score(context, known));
               }
             }
             return scores;
           })
      .def("write_arpa",
           [](const NgramLm& self, Output& out, const WordTable& words) {
             released([&] { self.write_arpa(out, words); });
           })
      .def("to_const_arpa", [](const NgramLm& self) { return released([&] { return ConstArpa::of(self); }); });

  nb::class_<TextScorer>(m, "TextScorer", "Scores texts by a model.")
      .def(nb::init<const NgramLm&>(), "lm"_a, nb::keep_alive<1, 2>())
      .def("score",
           [](TextScorer& self, Input& in, const WordTable& words) {
             const TextScore score = released([&] { return self.score(in, words); });
             return nb::make_tuple(score.sentences, score.words, score.unknown, score.logprob, score.logprob_known);
           },
           "stream"_a, "words"_a)
      .def("nbytes", &TextScorer::bytes);

  nb::class_<NgramCounts>(m, "NgramCounts", "Counts of n-grams of a text.", nb::is_weak_referenceable())
      .def_static("make",
                  [](WordTable& words, std::size_t order, std::int32_t bos, std::int32_t eos, std::int32_t unk,
                     bool closed, std::size_t memory, const std::string& folder) {
                    return NgramCounts::make({order, bos, eos, unk, closed, {memory, folder}}, words);
                  },
                  "words"_a, "order"_a, "bos"_a, "eos"_a, "unk"_a, "closed"_a, "memory"_a, "folder"_a,
                  nb::keep_alive<0, 1>())
      .def("read", [](NgramCounts& self, Input& in) { released([&] { self.read(in); }); }, "stream"_a)
      .def("finish", [](NgramCounts& self) { released([&] { self.finish(); }); })
      .def("state",
           [](const NgramCounts& self) {
             const auto state = self.state();
             return nb::make_tuple(self.sentences(), state.words, state.in_memory, state.files, state.spilled);
           })
      .def("on_progress",
           [](NgramCounts& self, nb::callable call) {
             self.progress = [call] {
               nb::gil_scoped_acquire gil;
               call();
             };
           },
           "call"_a)
      .def("kneser_ney",
           [](const NgramCounts& self, const std::vector<std::int64_t>& min_counts) {
             return estimate_of(released([&] { return kneser_ney(self, min_counts); }));
           },
           "min_counts"_a)
      .def("katz",
           [](const NgramCounts& self, const std::vector<std::int64_t>& min_counts,
              const std::vector<std::int64_t>& max_discounted) {
             return estimate_of(released([&] { return katz(self, min_counts, max_discounted); }));
           },
           "min_counts"_a, "max_discounted"_a);
  m.def("prune_lm", [](const NgramLm& lm, double threshold, std::size_t max_order) {
    return released([&] { return prune(lm, threshold, max_order); });
  });
  m.def("interpolate_lms", [](const std::vector<const NgramLm*>& lms, const std::vector<double>& weights) {
    return released([&] { return interpolate(lms, weights); });
  });

  nb::class_<ConstArpa>(m, "ConstArpa", "Kaldi's const-arpa model.")
      .def(nb::init<>())
      .def_static("read", [](Input& in, bool binary) { return released([&] { return ConstArpa::read(in, binary); }); })
      .def("write", [](const ConstArpa& self, Output& out) { released([&] { self.write(out); }); })
      .def("write_arpa",
           [](const ConstArpa& self, Output& out, const WordTable* words) {
             released([&] { self.write_arpa(out, words); });
           },
           "stream"_a, "words"_a.none())
      .def("bos", &ConstArpa::bos)
      .def("eos", &ConstArpa::eos)
      .def("unk", &ConstArpa::unk)
      .def("order", &ConstArpa::order)
      .def("logprob", [](const ConstArpa& self, std::int32_t word,
                         const Ids& history) { return self.logprob(word, history); })
      .def("has_history", [](const ConstArpa& self, const Ids& history) { return self.has_history(history); });
}

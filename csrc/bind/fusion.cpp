#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "search/fusion.h"

namespace nb = nanobind;
using namespace sonant;

namespace {

std::string to_string(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

std::vector<std::string> to_strings(const std::vector<nb::bytes>& list) {
  std::vector<std::string> result;
  for (const nb::bytes& item : list) result.push_back(to_string(item));
  return result;
}

}  // namespace

void bind_fusion(nb::module_& m) {
  nb::class_<Spelling>(m, "Spelling", "How words are spelled in tokens.")
      .def(nb::init<>())
      .def_static("lexicon",
                  [](const std::vector<nb::bytes>& words,
                     const std::vector<std::tuple<std::int32_t, std::vector<std::int32_t>, double>>& list) {
                    std::vector<std::string> names = to_strings(words);
                    nb::gil_scoped_release release;
                    std::vector<Spelling::Pronunciation> pronunciations;
                    for (const auto& [word, tokens, log_prob] : list) pronunciations.push_back({word, tokens, log_prob});
                    return Spelling(std::move(names), pronunciations);
                  })
      .def_static("text", [](const std::vector<nb::bytes>& words, const std::vector<std::pair<nb::bytes, bool>>& list) {
        std::vector<std::string> names = to_strings(words);
        std::vector<Spelling::Token> tokens;
        for (const auto& [text, begins] : list) tokens.push_back({to_string(text), begins});
        nb::gil_scoped_release release;
        return Spelling(std::move(names), std::move(tokens));
      });

  m.def("most_probable", &most_probable, nb::call_guard<nb::gil_scoped_release>());

  nb::class_<FusionModel>(m, "FusionModel", "What searches add to a network's scores.")
      .def_static(
          "make",
          [](const Spelling& spelling, OnDemandPtr lm, bool lm_over_tokens, std::vector<std::int32_t> lm_labels,
             std::int32_t unknown_label, StateId unigram_state, double lm_weight, double word_bonus, double unknown_score, double lm_most,
             bool ends, std::int64_t tokens, bool looks_ahead) {
            nb::gil_scoped_release release;
            auto model = std::make_shared<FusionModel>();
            model->spelling = spelling;
            model->lm = std::move(lm);
            model->lm_over_tokens = lm_over_tokens;
            model->lm_labels = std::move(lm_labels);
            model->unknown_label = unknown_label;
            model->unigram_state = unigram_state;
            model->lm_weight = lm_weight;
            model->word_bonus = word_bonus;
            model->unknown_score = unknown_score;
            model->lm_most = lm_most;
            model->ends = ends;
            model->tokens = tokens;
            model->prepare(looks_ahead);
            return model;
          },
          nb::arg("spelling"), nb::arg("lm").none(), nb::kw_only(), nb::arg("lm_over_tokens"), nb::arg("lm_labels"),
          nb::arg("unknown_label"),          nb::arg("unigram_state"), nb::arg("lm_weight"), nb::arg("word_bonus"), nb::arg("unknown_score"),
          nb::arg("lm_most"), nb::arg("ends"), nb::arg("tokens"), nb::arg("looks_ahead"));
}

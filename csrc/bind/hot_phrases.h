// How what Python gives as hot words comes into the core.
#pragma once

#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#include "search/fusion.h"

namespace sonant {

using LabelsAndBoost = std::pair<std::vector<std::int32_t>, double>;
using HotPhrases = std::pair<std::vector<LabelsAndBoost>, std::vector<LabelsAndBoost>>;  // of tokens, of words

inline std::vector<Phrase> to_phrases(const std::vector<LabelsAndBoost>& found) {
  std::vector<Phrase> phrases;
  for (const auto& [labels, boost] : found) phrases.push_back({labels, boost});
  return phrases;
}

}  // namespace sonant

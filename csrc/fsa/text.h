// Automata as text, in k2's lines (`src dest label [aux labels ...] [[ragged labels] ...] [score]`, by src, and last the
// final state) or OpenFst's (costs in the place of scores, and lines `state [cost]` of final states, anywhere).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sonant {

struct FsaTextFormat {
  std::int32_t aux = 0, ragged = 0;  // labels of each kind after the first
  bool openfst = false;
};

// Rows of numbers, one after the other.
struct FsaTextLists {
  std::vector<std::int32_t> splits{0}, values;
};

struct FsaText {
  std::vector<std::int32_t> columns;  // 3 + aux of each arc
  std::vector<float> scores;          // as they are, minus a cost of OpenFst's
  std::vector<std::int32_t> finals;
  std::vector<float> final_scores;
  std::int32_t first = 0;             // state of the first line
  std::vector<FsaTextLists> ragged;   // for each kind a row of each arc
};

// FstError, which names the line, for what is no line.
FsaText read_fsa_text(std::string_view text, const FsaTextFormat& format);

// The lines of arcs (four integers each, of which the score bits do not count) with their scores.
std::string write_fsa_text(std::span<const std::int32_t> arcs, const float* scores,
                           std::span<const std::span<const std::int32_t>> aux, std::span<const FsaTextLists> ragged,
                           bool openfst);

}  // namespace sonant

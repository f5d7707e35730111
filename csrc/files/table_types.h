// The plain values of Kaldi's tables: numbers, vectors of them, posteriors (util/kaldi-holder-inl.h of Kaldi defines them).
//
// Binary: a count, then every value with its size byte. Text: on one line, up to its end. Nested values are flat here: all
// values, and where each inner list ends.
#pragma once

#include <cstdint>
#include <vector>

#include "files/input.h"
#include "files/output.h"

namespace sonant {

// T: std::int8_t, std::int32_t, float, double.
template <typename T>
struct Ragged {
  std::vector<T> values;
  std::vector<std::int64_t> ends;  // of each list, in values
};

// Of each frame, ids with weights.
struct FrameWeights {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;
  std::vector<std::int64_t> ends;
};

// One value; in text, alone on the rest of its line.
template <typename T>
T read_single(Input& in, bool binary);
bool read_single_bool(Input& in, bool binary);

template <typename T>
std::vector<T> read_list(Input& in, bool binary);
template <typename T>
void write_list(Output& out, bool binary, const std::vector<T>& values);

// Lists, in text each with ';' behind it.
template <typename T>
Ragged<T> read_lists(Input& in, bool binary);
template <typename T>
void write_lists(Output& out, bool binary, const Ragged<T>& lists);

// Pairs, flat; in text with ';' between them.
template <typename T>
std::vector<T> read_pairs(Input& in, bool binary);
template <typename T>
void write_pairs(Output& out, bool binary, const std::vector<T>& values);

// In text "[ 12 0.4 34 0.6 ] [ 1 1 ] \n".
FrameWeights read_posterior(Input& in, bool binary);
void write_posterior(Output& out, bool binary, const FrameWeights& posterior);

}  // namespace sonant

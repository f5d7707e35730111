// n-gram language models in ARPA files (as of SRILM and Kaldi):
//
//     \data\              what stands before it is skipped
//     ngram 1=3000        one line an order
//     \1-grams:           one section an order
//     -1.234 word -0.5    log10 of the probability, the words, log10 of the backoff (may be missing)
//     \end\               the end
//
// Lines end with LF or CRLF; blank lines may be anywhere. Numbers are rounded as strtof does it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/input.h"
#include "fst/lines.h"
#include "lm/word_table.h"

namespace sonant {

enum class Oov { kError = 0, kAdd = 1, kReplaceWithUnk = 2, kSkip = 3 };  // Kaldi's numbers

struct ArpaOptions {
  std::int32_t bos = -1, eos = -1, unk = -1;  // unk: -1 where there is none
  Oov oov = Oov::kError;                      // what a word means that is not in the table
  std::int32_t max_warnings = 30;             // below 0: any number
};

struct ArpaNgram {
  std::span<const std::int32_t> words;
  float logprob = 0, backoff = 0;  // log10, as in the file
};

// Natural logarithms as Kaldi computes them.
inline float natural(float log10) { return static_cast<float>(log10 * 2.302585092994045684017991454684364208); }

// What is done with the n-grams, in the order of the file.
class ArpaSink {
 public:
  virtual ~ArpaSink() = default;
  // Number of n-grams of each order, as the header has it: no more than a hint.
  virtual void begin(std::span<const std::int64_t> counts) = 0;
  // Returns why it was skipped, or null.
  virtual const char* take(const ArpaNgram& ngram) = 0;
  virtual void end() = 0;
};

struct ArpaWarnings {
  std::vector<std::string> texts;  // at most max_warnings of them
  std::int64_t count = 0;
};

// Reads to \end\. `words` is null where the words of the file are numbers. Throws FstError, which names the line.
ArpaWarnings read_arpa(Input& in, WordTable* words, const ArpaOptions& options, ArpaSink& sink);

}  // namespace sonant

// Counts of all n-grams of the highest order of a text, <s> once before each sentence and </s> behind it, from which
// those of the lower orders follow.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lm/external_sort.h"
#include "files/input.h"
#include "lm/word_table.h"

namespace sonant {

struct NgramCountOptions {
  std::size_t order = 3;
  std::int32_t bos = -1, eos = -1, unk = -1;
  bool closed = false;  // other words than those of the table are <unk>; else new words get numbers
  SortMemory memory;
};

// Some n-grams of one order: words in reverse, one n-gram behind the other, and how often each came.
struct NgramBlock {
  std::vector<std::int32_t> words;
  std::vector<std::uint32_t> counts;
};

class NgramCounts {
 public:
  enum class Kind {
    kOccurrences,
    kContinuations,  // by how many different words come before; occurrences of the highest order, and after <s>
  };
  struct State {
    std::int64_t words = 0;         // read so far, </s> included
    std::size_t in_memory = 0;      // different n-grams of the runs in memory
    std::size_t files = 0;
    std::int64_t spilled = 0;  // bytes that went to disk, all in all
  };

  static std::unique_ptr<NgramCounts> make(const NgramCountOptions& options, WordTable& words);
  virtual ~NgramCounts() = default;

  // A sentence a line. FstError, which names the line, where it has <s>, </s> or <eps>.
  virtual void read(Input& in) = 0;
  // Nothing is read any more.
  virtual void finish() = 0;
  // All n-grams of an order, sorted by their last word, the word before it, and so on; after finish().
  virtual void each(std::size_t order, Kind kind, const std::function<void(const NgramBlock&)>& visit) const = 0;
  virtual State state() const = 0;

  const NgramCountOptions& options() const { return options_; }
  const WordTable& words() const { return words_; }
  std::int64_t sentences() const { return sentences_; }

  std::function<void()> progress;  // called now and then

 protected:
  NgramCounts(const NgramCountOptions& options, WordTable& words) : options_(options), words_(words) {}
  NgramCountOptions options_;
  WordTable& words_;
  std::int64_t sentences_ = 0, tokens_ = 0;
};

}  // namespace sonant

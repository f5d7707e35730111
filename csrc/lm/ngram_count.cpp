#include "lm/ngram_count.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "fst/error.h"
#include "fst/lines.h"

namespace sonant {

namespace {

constexpr std::size_t kHighest = 7, kBlock = 4096;
constexpr std::uint32_t kMost = 0xffffffff;

template <std::size_t N>
class Counts : public NgramCounts {
  // Words in reverse, so that n-grams with the same end are neighbours. 0: before the sentence.
  struct Record {
    std::array<std::int32_t, N> words;
    std::uint32_t count;

    bool operator<(const Record& other) const {
      for (std::size_t i = 0; i < N; ++i) {
        if (words[i] != other.words[i]) return words[i] < other.words[i];
      }
      return false;
    }
    bool absorb(const Record& same) {
      count = count > kMost - same.count ? kMost : count + same.count;
      return true;
    }
  };

 public:
  Counts(const NgramCountOptions& options, WordTable& words) : NgramCounts(options, words), sorter_(options.memory) {}

  void read(Input& in) override {
    const auto [order, bos, eos, unk, closed, memory] = options_;
    Lines lines(in);
    std::string_view line;
    while (lines.next(line)) {
      Record record = {};
      record.count = 1;
      const auto add_word = [&](std::int32_t word) {
        std::copy_backward(record.words.begin(), record.words.end() - 1, record.words.end());
        record.words[0] = word;
        add(record);
      };
      bool empty = true;
      each_word(line, [&](std::string_view text) {
        if (empty) add_word(bos);
        empty = false;
        std::int32_t word = closed ? words_.find(text) : words_.add(text);
        if (word == WordTable::kNone) word = unk;
        if (word == bos || word == eos || word == 0) {
          fst_error(in.name(), ":", lines.number(), ": the text has the word '", text,
                    "', which is put around sentences by itself; take it out");
        }
        ++tokens_;
        add_word(word);
      });
      if (empty) continue;
      ++tokens_;
      add_word(eos);
      ++sentences_;
    }
  }

  void finish() override { sorter_.finish(2 * N); }

  State state() const override { return {tokens_, sorter_.records(), sorter_.files(), sorter_.spilled()}; }

  void each(std::size_t order, Kind kind, const std::function<void(const NgramBlock&)>& visit) const override {
    NgramBlock block;
    block.words.reserve(kBlock * order);
    block.counts.reserve(kBlock);
    Record last{};
    std::uint64_t occurrences = 0, before = 0;  // of the n-gram at the end of `last`
    const auto close = [&] {
      const std::int32_t first = last.words[order - 1];
      if (occurrences == 0 || first == 0) return;  // reaches over the beginning of a sentence
      const bool raw = kind == Kind::kOccurrences || order == N || first == options_.bos;
      block.words.insert(block.words.end(), last.words.begin(), last.words.begin() + order);
      block.counts.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(raw ? occurrences : before, kMost)));
      if (block.counts.size() < kBlock) return;
      visit(block);
      block.words.clear();
      block.counts.clear();
    };
    sorter_.each([&](const Record& record) {
      const auto [a, b] = std::ranges::mismatch(record.words, last.words);
      const auto same = static_cast<std::size_t>(a - record.words.begin());
      if (same < order) {
        close();
        occurrences = before = 0;
      }
      if (same <= order) ++before;  // another word before the n-gram
      occurrences += record.count;
      last = record;
    });
    close();
    if (!block.counts.empty()) visit(block);
  }

 private:
  void add(const Record& record) {
    if (sorter_.add(record) && progress) progress();
  }

  Sorter<Record> sorter_;
};

template <std::size_t N = 1>
std::unique_ptr<NgramCounts> counts(const NgramCountOptions& options, WordTable& words) {
  if (options.order == N) return std::make_unique<Counts<N>>(options, words);
  if constexpr (N < kHighest) return counts<N + 1>(options, words);
  fst_error("a model of order ", options.order, "; expected 1 to ", kHighest);
}

}  // namespace

std::unique_ptr<NgramCounts> NgramCounts::make(const NgramCountOptions& options, WordTable& words) {
  constexpr std::size_t least = std::size_t(1) << 16;
  if (options.memory.bytes && options.memory.bytes < least) {
    fst_error("memory of ", options.memory.bytes, " bytes for counts; expected at least ", least, ", or 0 for any");
  }
  return counts(options, words);
}

}  // namespace sonant

// Sorts more records than memory holds: sorted runs, of which neighbours in size are merged as they come; where a
// bound of memory is given and reached, the runs go to one temporary file, and files are merged kFan at a time.
//
// Record is plain bytes with `operator<` and `bool absorb(const Record& same)`, which adds up two records that are
// neither less nor greater than each other, or returns false where both are to stay.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "files/input.h"
#include "lm/temporary_file.h"

namespace sonant {

struct SortMemory {
  std::size_t bytes = 0;  // 0: any
  std::string folder;     // of temporary files
};

template <class Record>
class Sorter {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  explicit Sorter(SortMemory memory) : memory_(std::move(memory)) {
    room_ = std::size_t(1) << 21;
    if (memory_.bytes) room_ = std::clamp<std::size_t>(memory_.bytes / 4 / sizeof(Record), 64, room_);
  }

  // True where a run was made, so that a caller may look around.
  bool add(const Record& record) {
    if (buffer_.capacity() == 0) buffer_.reserve(room_);
    buffer_.push_back(record);
    if (buffer_.size() < room_) return false;
    flush();
    return true;
  }

  // No record comes any more. `passes` is how often each() will be called.
  void finish(std::size_t passes) {
    flush();
    std::vector<Record>().swap(buffer_);
    if (files_.empty()) {
      while (passes > 1 && runs_.size() > 1) merge_last_two();
      return;
    }
    spill();
    while (files_.size() > (passes > 1 ? 1 : kFan)) merge_files(std::min(files_.size(), kFan));
  }

  // Calls visit(record) in order, after finish().
  template <class Visit>
  void each(Visit visit) const {
    std::vector<Source> sources;
    for (const auto& run : runs_) sources.emplace_back(std::span<const Record>(run));
    for (const File& file : files_) sources.emplace_back(file.content, buffer_size(files_.size() + 1));
    merge(sources, visit);
  }

  std::size_t records() const {  // in memory
    std::size_t sum = 0;
    for (const auto& run : runs_) sum += run.size();
    return sum;
  }
  std::size_t files() const { return files_.size(); }
  std::int64_t spilled() const { return spilled_; }  // bytes that went to disk, all in all

 private:
  static constexpr std::size_t kFan = 64;

  struct File {
    TemporaryFile content;
    std::size_t level;  // how often its records were merged
  };

  // The records of a run, a buffer at a time.
  class Source {
   public:
    explicit Source(std::span<const Record> records) : at_(records.data()), end_(at_ + records.size()) {}
    Source(const TemporaryFile& file, std::size_t size) : file_(&file), buffer_(size) { fill(); }
    bool empty() const { return at_ == end_; }
    const Record& front() const { return *at_; }
    void next() {
      if (++at_ == end_ && file_) fill();
    }

   private:
    void fill() {
      const std::size_t left = static_cast<std::size_t>(file_->size() - offset_) / sizeof(Record);
      const std::size_t count = std::min(left, buffer_.size());
      file_->read(offset_, buffer_.data(), count * sizeof(Record));
      offset_ += static_cast<std::int64_t>(count * sizeof(Record));
      at_ = buffer_.data();
      end_ = at_ + count;
    }

    const TemporaryFile* file_ = nullptr;
    std::int64_t offset_ = 0;
    std::vector<Record> buffer_;
    const Record *at_ = nullptr, *end_ = nullptr;
  };

  static void poll() {
    if (Input::on_interrupt) Input::on_interrupt();
  }

  std::size_t buffer_size(std::size_t buffers) const {
    return std::clamp<std::size_t>(memory_.bytes / 4 / buffers / sizeof(Record), 16, std::size_t(1) << 16);
  }

  // Calls visit(record), equal ones summed, from all sources.
  template <class Visit>
  static void merge(std::vector<Source>& sources, Visit visit) {
    std::vector<std::uint32_t> heap;  // the least record first; among equal ones the first source
    const auto later = [&](std::uint32_t a, std::uint32_t b) {
      const Record &x = sources[a].front(), &y = sources[b].front();
      return y < x || (!(x < y) && b < a);
    };
    for (std::uint32_t i = 0; i < sources.size(); ++i) {
      if (!sources[i].empty()) heap.push_back(i);
    }
    std::ranges::make_heap(heap, later);
    bool pending = false;
    Record last{};
    for (std::size_t count = 0; !heap.empty(); ++count) {
      Source& source = sources[heap.front()];
      const Record& record = source.front();
      if (!pending || last < record || !last.absorb(record)) {
        if (pending) visit(last);
        last = record;
        pending = true;
      }
      source.next();
      if (source.empty()) {
        std::ranges::pop_heap(heap, later);
        heap.pop_back();
      } else {
        sift_down(heap, later);
      }
      if (count % (1 << 20) == 0) poll();
    }
    if (pending) visit(last);
  }

  // The first of the heap has grown.
  template <class Later>
  static void sift_down(std::vector<std::uint32_t>& heap, Later later) {
    for (std::size_t at = 0, child; (child = 2 * at + 1) < heap.size(); at = child) {
      if (child + 1 < heap.size() && later(heap[child], heap[child + 1])) ++child;
      if (!later(heap[at], heap[child])) break;
      std::swap(heap[at], heap[child]);
    }
  }

  void flush() {
    if (buffer_.empty()) return;
    std::sort(buffer_.begin(), buffer_.end());
    std::size_t kept = 0;
    for (std::size_t i = 1; i < buffer_.size(); ++i) {
      if (buffer_[kept] < buffer_[i] || !buffer_[kept].absorb(buffer_[i])) buffer_[++kept] = buffer_[i];
    }
    buffer_.resize(kept + 1);
    // Runs, one more of them while two are merged, and the buffer stay within the bound.
    const bool full = memory_.bytes && (records() + buffer_.size()) * sizeof(Record) > memory_.bytes / 8 * 3;
    if (full) {
      spill();
    } else {
      runs_.emplace_back(buffer_.begin(), buffer_.end());
      // Each run is larger than the next: the work of merging goes with n log n.
      while (runs_.size() > 1 && runs_[runs_.size() - 2].size() < 2 * runs_.back().size()) merge_last_two();
    }
    buffer_.clear();
    poll();
  }

  void merge_last_two() {
    std::vector<Record> merged;
    merged.reserve(runs_[runs_.size() - 2].size() + runs_.back().size());
    std::vector<Source> sources;
    for (std::size_t i = runs_.size() - 2; i < runs_.size(); ++i) sources.emplace_back(std::span<const Record>(runs_[i]));
    merge(sources, [&](const Record& record) { merged.push_back(record); });
    merged.shrink_to_fit();
    runs_.pop_back();
    runs_.back() = std::move(merged);
  }

  // Runs and buffer become a file.
  void spill() {
    std::vector<Source> sources;
    for (const auto& run : runs_) sources.emplace_back(std::span<const Record>(run));
    if (!buffer_.empty()) sources.emplace_back(std::span<const Record>(buffer_));
    if (sources.empty()) return;
    files_.push_back({written(sources), 0});
    runs_.clear();
    while (files_.size() >= kFan && files_[files_.size() - kFan].level == files_.back().level) merge_files(kFan);
  }

  TemporaryFile written(std::vector<Source>& sources) {
    TemporaryFile file(memory_.folder);
    std::vector<Record> block;
    block.reserve(buffer_size(sources.size() + 1));
    const auto write = [&] {
      file.write(block.data(), block.size() * sizeof(Record));
      block.clear();
    };
    merge(sources, [&](const Record& record) {
      block.push_back(record);
      if (block.size() == block.capacity()) write();
    });
    write();
    spilled_ += file.size();
    return file;
  }

  // The last ones become one.
  void merge_files(std::size_t count) {
    const std::size_t begin = files_.size() - count;
    std::vector<Source> sources;
    for (std::size_t i = begin; i < files_.size(); ++i) {
      sources.emplace_back(files_[i].content, buffer_size(count + 1));
    }
    File merged{written(sources), files_[begin].level + 1};
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(begin), files_.end());
    files_.push_back(std::move(merged));
  }

  SortMemory memory_;
  std::size_t room_;  // records of the buffer
  std::vector<Record> buffer_;
  std::vector<std::vector<Record>> runs_;
  std::vector<File> files_;
  std::int64_t spilled_ = 0;
};

}  // namespace sonant

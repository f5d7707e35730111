// Words and their numbers, both ways: text in one block, numbers found by an open-addressing hash table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "prefetch.h"

namespace sonant {

class WordTable {
 public:
  static constexpr std::int32_t kNone = -1;

  WordTable() : slots_(16) {}

  // The number of a word, or kNone.
  std::int32_t find(std::string_view word) const { return find(word, hash(word)); }
  // In two steps, so that many words can be fetched from memory at once.
  static std::uint64_t hash(std::string_view word);
  void prefetch(std::uint64_t hash) const { sonant::prefetch(&slots_[hash & (slots_.size() - 1)]); }
  std::int32_t find(std::string_view word, std::uint64_t hash) const {
    const std::uint32_t entry = slots_[slot_of(word, hash)].entry;
    return entry ? entries_[entry - 1].key : kNone;
  }
  // Gives a word that is not there a number; one that is there keeps its own. Returns the word's number.
  std::int32_t put(std::string_view word, std::int32_t key);
  // With the number above all others.
  std::int32_t add(std::string_view word) { return put(word, next_key_); }

  std::size_t size() const { return entries_.size(); }
  // One above the highest number.
  std::int32_t next_key() const { return next_key_; }
  // In the order in which they came.
  std::string_view word_at(std::size_t position) const {
    const Entry& entry = entries_[position];
    return {text_.data() + entry.begin, entry.length};
  }
  std::int32_t key_at(std::size_t position) const { return entries_[position].key; }
  // Words by their numbers, where these are below next_key(); those that are not there are empty.
  std::vector<std::string_view> by_key() const;

 private:
  struct Entry {
    std::uint64_t hash;
    std::size_t begin;
    std::uint32_t length;
    std::int32_t key;
  };
  struct Slot {
    std::uint32_t entry = 0;  // its position + 1, or 0
    std::uint32_t tag = 0;    // of the hash
  };

  std::size_t slot_of(std::string_view word, std::uint64_t hash) const;

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two of them
  std::int32_t next_key_ = 0;
};

}  // namespace sonant

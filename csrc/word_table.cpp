#include "word_table.h"

#include <algorithm>
#include <cstring>

#include "fst_error.h"

namespace sonant {

std::uint64_t WordTable::hash(std::string_view word) {
  constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
  std::uint64_t h = word.size() * factor;
  const char* at = word.data();
  std::size_t left = word.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t part;
    std::memcpy(&part, at, 8);
    h = (h ^ part) * factor;
    h ^= h >> 32;
  }
  std::uint64_t part = 0;
  if (left) std::memcpy(&part, at, left);
  h = (h ^ part) * factor;
  h ^= h >> 29;
  h *= factor;
  return h ^ (h >> 32);
}

std::size_t WordTable::slot_of(std::string_view word, std::uint64_t h) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = h & mask;
  while (const std::uint32_t entry = slots_[slot]) {
    const Entry& found = entries_[entry - 1];
    if (found.hash == static_cast<std::uint32_t>(h >> 32) && word_at(entry - 1) == word) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::int32_t WordTable::put(std::string_view word, std::int32_t key) {
  const std::uint64_t h = hash(word);
  std::size_t slot = slot_of(word, h);
  if (slots_[slot]) return entries_[slots_[slot] - 1].key;
  if (key < 0 || key == 0x7fffffff) fst_error("the word '", word, "' has the number ", key, "; expected 0 to 2147483646");
  if (2 * (entries_.size() + 1) > slots_.size()) {
    std::vector<std::uint32_t> grown(2 * slots_.size(), 0);
    const std::size_t mask = grown.size() - 1;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = hash(word_at(i)) & mask;
      while (grown[at]) at = (at + 1) & mask;
      grown[at] = static_cast<std::uint32_t>(i + 1);
    }
    slots_ = std::move(grown);
    slot = slot_of(word, h);
  }
  entries_.push_back(
      {text_.size(), static_cast<std::uint32_t>(word.size()), static_cast<std::uint32_t>(h >> 32), key});
  text_ += word;
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
  next_key_ = std::max(next_key_, key + 1);
  return key;
}

std::vector<std::string_view> WordTable::by_key() const {
  // A table with a few huge numbers is not worth a list of all below them.
  const std::size_t most = 16 * entries_.size() + 1024;
  std::vector<std::string_view> words(std::min<std::size_t>(next_key_, most));
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (static_cast<std::size_t>(entries_[i].key) < words.size()) words[entries_[i].key] = word_at(i);
  }
  return words;
}

}  // namespace sonant

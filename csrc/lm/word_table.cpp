#include "lm/word_table.h"

#include <algorithm>
#include <cstring>

#include "fst/error.h"

namespace sonant {

namespace {

template <class T>
std::uint64_t load(const char* at) {
  T part;
  std::memcpy(&part, at, sizeof part);
  return part;
}

}  // namespace

// Of two words of the same length below 8 the hashes differ where the words do.
std::uint64_t WordTable::hash(std::string_view word) {
  constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
  const std::size_t size = word.size();
  std::uint64_t h = size * factor, part = 0;
  const char *at = word.data(), *end = at + size;
  if (size >= 8) {
    for (; end - at > 8; at += 8) {
      h = (h ^ load<std::uint64_t>(at)) * factor;
      h ^= h >> 32;
    }
    part = load<std::uint64_t>(end - 8);
  } else if (size >= 4) {
    part = load<std::uint32_t>(at) | load<std::uint32_t>(end - 4) << 32;
  } else if (size > 0) {
    part = load<std::uint8_t>(at) | load<std::uint8_t>(at + size / 2) << 8 | load<std::uint8_t>(end - 1) << 16;
  }
  h = (h ^ part) * factor;
  h ^= h >> 29;
  h *= factor;
  return h ^ (h >> 32);
}

std::size_t WordTable::slot_of(std::string_view word, std::uint64_t h) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = h & mask;
  for (; slots_[at].entry; at = (at + 1) & mask) {
    if (slots_[at].tag != static_cast<std::uint32_t>(h >> 32)) continue;
    const Entry& found = entries_[slots_[at].entry - 1];
    if (found.hash != h || found.length != word.size()) continue;
    if (word.size() < 8 || std::memcmp(text_.data() + found.begin, word.data(), word.size()) == 0) break;
  }
  return at;
}

std::int32_t WordTable::put(std::string_view word, std::int32_t key) {
  const std::uint64_t h = hash(word);
  std::size_t slot = slot_of(word, h);
  if (const std::uint32_t entry = slots_[slot].entry) return entries_[entry - 1].key;
  if (key < 0 || key == 0x7fffffff) fst_error("the word '", word, "' has the number ", key, "; expected 0 to 2147483646");
  if (2 * (entries_.size() + 1) > slots_.size()) {
    std::vector<Slot> grown(2 * slots_.size(), Slot{});
    const std::size_t mask = grown.size() - 1;
    for (const Slot& old : slots_) {
      if (!old.entry) continue;
      std::size_t at = entries_[old.entry - 1].hash & mask;
      while (grown[at].entry) at = (at + 1) & mask;
      grown[at] = old;
    }
    slots_ = std::move(grown);
    slot = slot_of(word, h);
  }
  entries_.push_back({h, text_.size(), static_cast<std::uint32_t>(word.size()), key});
  text_ += word;
  slots_[slot] = {static_cast<std::uint32_t>(entries_.size()), static_cast<std::uint32_t>(h >> 32)};
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

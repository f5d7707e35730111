// A hash table from pairs of 32-bit numbers to a number: open addressing, two flat arrays.
#pragma once

#include <cstdint>
#include <vector>

namespace sonant {

class PairMap {
 public:
  static constexpr std::int32_t kNone = -1;

  PairMap() : keys_(64), values_(64, kNone) {}

  std::int32_t find(std::uint32_t first, std::uint32_t second) const {
    return values_[slot_of(std::uint64_t(first) << 32 | second)];
  }
  // The value of a pair; `value` where it is new.
  std::int32_t put(std::uint32_t first, std::uint32_t second, std::int32_t value) {
    const std::uint64_t key = std::uint64_t(first) << 32 | second;
    std::size_t slot = slot_of(key);
    if (values_[slot] != kNone) return values_[slot];
    if (8 * (count_ + 1) > 5 * keys_.size()) {
      grow();
      slot = slot_of(key);
    }
    ++count_;
    keys_[slot] = key;
    return values_[slot] = value;
  }

 private:
  std::size_t slot_of(std::uint64_t key) const {
    const std::size_t mask = keys_.size() - 1;
    std::uint64_t h = key * 0x9e3779b97f4a7c15;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93;
    std::size_t slot = (h >> 20) & mask;
    while (values_[slot] != kNone && keys_[slot] != key) slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    std::vector<std::uint64_t> keys(2 * keys_.size());
    std::vector<std::int32_t> values(keys.size(), kNone);
    keys.swap(keys_);
    values.swap(values_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (values[i] == kNone) continue;
      const std::size_t slot = slot_of(keys[i]);
      keys_[slot] = keys[i];
      values_[slot] = values[i];
    }
  }

  std::vector<std::uint64_t> keys_;
  std::vector<std::int32_t> values_;
  std::size_t count_ = 0;
};

}  // namespace sonant

// Sequences of labels, each kept once and known by a number, from 0 in the order in which they come.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "fst/work.h"

namespace sonant {

class Sequences {
 public:
  // Not of labels that lie in here: they may move.
  std::uint32_t number(std::span<const Label> labels) {
    const std::uint64_t hash = hash_of(labels);
    const auto next = static_cast<std::uint32_t>(size());
    const std::uint32_t found = index_.find_or_add(
        hash, next, [&](std::uint32_t other) { return std::ranges::equal(of(other), labels); });
    if (found == next) {
      symbols_.insert(symbols_.end(), labels.begin(), labels.end());
      begins_.push_back(symbols_.size());
      if (index_.full()) index_.grow([&](std::uint32_t other) { return hash_of(of(other)); });
    }
    return found;
  }
  // Stays until the next call of number().
  std::span<const Label> of(std::uint32_t number) const {
    return {symbols_.data() + begins_[number], begins_[number + 1] - begins_[number]};
  }
  std::size_t size() const { return begins_.size() - 1; }
  std::size_t bytes() const { return symbols_.size() * sizeof(Label) + begins_.size() * sizeof(std::size_t); }
  // All of them, one after another: number i is symbols()[begins()[i]] to symbols()[begins()[i + 1]].
  std::span<const Label> symbols() const { return symbols_; }
  std::span<const std::size_t> begins() const { return begins_; }

 private:
  static std::uint64_t hash_of(std::span<const Label> labels) {
    std::uint64_t hash = labels.size();
    for (const Label label : labels) hash = mixed(hash ^ static_cast<std::uint32_t>(label)) + 0x9e3779b97f4a7c15ULL;
    return mixed(hash);
  }
  std::vector<Label> symbols_;
  std::vector<std::size_t> begins_ = {0};
  HashIndex index_;
};

}  // namespace sonant

// Numbers of the states that the search of csrc/fsa/pruned.cpp meets at a frame, in the order in which they come.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sonant {

// By a table of all states there are.
class DirectStates {
 public:
  explicit DirectStates(std::size_t states) { numbers_.resize(states, -1); }
  static constexpr bool kDirect = true;  // finding costs no more than asking whether there is something to find
  std::int32_t find(std::int32_t state) const { return numbers_[std::size_t(state)]; }
  void prefetch(std::int32_t) const {}
  std::int32_t number(std::int32_t state, std::int32_t next) {
    std::int32_t& number = numbers_[std::size_t(state)];
    if (number < 0) number = next;
    return number;
  }
  void clear(const std::vector<std::int32_t>& states) {
    for (const std::int32_t state : states) numbers_[std::size_t(state)] = -1;
  }

 private:
  std::vector<std::int32_t> numbers_;
};

// The same by open addressing, in memory that goes with how many there are.
class HashedStates {
 public:
  static constexpr bool kDirect = false;
  // False where the state surely is not in; as small as the first cache.
  bool perhaps(std::int32_t state) const {
    const std::size_t bit = place(state, shift_ - kBits);
    return (bits_[bit / 64] >> (bit % 64)) & 1;
  }
  std::int32_t find(std::int32_t state) const {
    for (std::size_t i = place(state);; i = (i + 1) & mask()) {
      if (slots_[i].number < 0 || slots_[i].state == state) return slots_[i].number;
    }
  }
  std::int32_t number(std::int32_t state, std::int32_t next) {
    for (std::size_t i = place(state);; i = (i + 1) & mask()) {
      if (slots_[i].number < 0) {
        slots_[i] = {state, next};
        set(state);
        if (2 * std::size_t(next) > slots_.size()) grow();
        return next;
      }
      if (slots_[i].state == state) return slots_[i].number;
    }
  }
  void clear(const std::vector<std::int32_t>& states) {
    if (states.size() > slots_.size() / 8) {
      std::fill(slots_.begin(), slots_.end(), Slot{0, -1});
      std::fill(bits_.begin(), bits_.end(), 0);
      return;
    }
    for (auto state = states.rbegin(); state != states.rend(); ++state) {  // later ones lie behind earlier ones
      std::size_t i = place(*state);
      while (slots_[i].state != *state || slots_[i].number < 0) i = (i + 1) & mask();
      slots_[i].number = -1;
      bits_[place(*state, shift_ - kBits) / 64] = 0;
    }
  }
  void prefetch(std::int32_t state) const { __builtin_prefetch(&slots_[place(state)]); }

 private:
  struct Slot {
    std::int32_t state, number;
  };
  std::size_t mask() const { return slots_.size() - 1; }
  std::size_t place(std::int32_t state, int shift) const { return (std::uint32_t(state) * 2654435769u) >> shift; }
  std::size_t place(std::int32_t state) const { return place(state, shift_); }
  void set(std::int32_t state) {
    const std::size_t bit = place(state, shift_ - kBits);
    bits_[bit / 64] |= std::uint64_t(1) << (bit % 64);
  }
  void grow() {
    std::vector<Slot> before(2 * slots_.size(), Slot{0, -1});
    before.swap(slots_);
    --shift_;
    bits_.assign(2 * bits_.size(), 0);
    for (const Slot& slot : before) {
      if (slot.number < 0) continue;
      std::size_t i = place(slot.state);
      while (slots_[i].number >= 0) i = (i + 1) & mask();
      slots_[i] = slot;
      set(slot.state);
    }
  }
  static constexpr int kBits = 3;  // a slot has 2^3 bits
  std::vector<Slot> slots_ = std::vector<Slot>(256, Slot{0, -1});
  std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>(256 * (1 << kBits) / 64);
  int shift_ = 24;
};

}  // namespace sonant

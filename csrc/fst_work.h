// What the longer operations on automata share: limits, interruption, tables that hash, and results in the making.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "fst.h"
#include "input.h"

namespace sonant {

// 0: as much as half of this machine's memory holds.
struct Bounds {
  std::uint64_t max_states = 0, max_arcs = 0;
};

std::uint64_t half_of_memory();  // bytes

// Counts what an operation makes. The error names the operation, what it worked on, and the mend.
class Work {
 public:
  Work(const char* operation, Bounds limits, std::size_t state_bytes, std::size_t arc_bytes);
  // "on ..." in messages, "two automata of 3 and 4 states" say.
  std::string what;

  // Call once for each small step: every now and then it looks whether somebody pressed Ctrl-C.
  void step() {
    if (++steps_ % 65536 == 0 && Input::on_interrupt) Input::on_interrupt();
  }
  void made(std::size_t states, std::size_t arcs) const {
    if (states > limits_.max_states || arcs > limits_.max_arcs) too_many(states, arcs);
  }

 private:
  [[noreturn]] void too_many(std::size_t states, std::size_t arcs) const;
  const char* operation_;
  Bounds limits_;
  std::uint64_t steps_ = 0;
};

inline std::uint64_t mixed(std::uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// Numbers 64-bit keys in the order in which they come; open addressing.
class Numbering {
 public:
  Numbering() : slots_(1024, Slot{0, kFree}) {}
  std::uint32_t operator()(std::uint64_t key) {
    for (std::size_t i = mixed(key) & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[i];
      if (slot.number == kFree) {
        const auto number = static_cast<std::uint32_t>(keys_.size());
        slot = {key, number};
        keys_.push_back(key);
        if (keys_.size() * 3 > slots_.size() * 2) grow();
        return number;
      }
      if (slot.key == key) return slot.number;
    }
  }
  // Says that a key will be asked for soon.
  void prefetch(std::uint64_t key) const { __builtin_prefetch(&slots_[mixed(key) & (slots_.size() - 1)]); }
  std::size_t size() const { return keys_.size(); }
  std::uint64_t key(std::size_t number) const { return keys_[number]; }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
#pragma pack(push, 4)
  struct Slot {
    std::uint64_t key;
    std::uint32_t number;
  };
#pragma pack(pop)
  void grow() {
    std::vector<Slot> larger(slots_.size() * 2, Slot{0, kFree});
    for (const Slot& slot : slots_) {
      if (slot.number == kFree) continue;
      std::size_t i = mixed(slot.key) & (larger.size() - 1);
      while (larger[i].number != kFree) i = (i + 1) & (larger.size() - 1);
      larger[i] = slot;
    }
    slots_ = std::move(larger);
  }
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> keys_;
};

// Numbers of things that the caller keeps and compares; open addressing by their hashes.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  HashIndex() : slots_(256, Slot{0, kNone}) {}
  // The number for which `same` holds, or else `next`, which is put in.
  template <class Same>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t next, Same same) {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[i];
      if (slot.number == kNone) {
        slot = {tag, next};
        used_ += 1;
        return next;
      }
      if (slot.tag == tag && same(slot.number)) return slot.number;
    }
  }
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }
  bool full() const { return used_ * 3 > slots_.size() * 2; }
  // Makes room; `hash_of` gives each number's hash again.
  template <class HashOf>
  void grow(HashOf hash_of) {
    std::vector<Slot> larger(slots_.size() * 2, Slot{0, kNone});
    for (const Slot& slot : slots_) {
      if (slot.number == kNone) continue;
      std::size_t i = hash_of(slot.number) & (larger.size() - 1);
      while (larger[i].number != kNone) i = (i + 1) & (larger.size() - 1);
      larger[i] = slot;
    }
    slots_ = std::move(larger);
  }

 private:
  struct Slot {
    std::uint32_t tag, number;
  };
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

// An automaton whose states are filled one after the other, each with its arcs.
template <class W>
struct Tables {
  std::vector<State<W>> states;
  std::vector<Arc<W>> arcs;
};

// Takes states away that lead to no final state, and the arcs to them; the others keep their order. False where
// the start is one of them, and then nothing is left.
template <class W>
bool drop_dead_ends(Tables<W>& tables, StateId& start);

}  // namespace sonant

// What the longer operations on automata share: bounds, interruption, errors that say what they are about, tables that
// hash.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fst/fst.h"
#include "files/input.h"

namespace sonant {

// The most states and arcs that a result may have. 0: as much as half of this machine's memory holds.
struct Bounds {
  std::uint64_t max_states = 0, max_arcs = 0;
};

std::uint64_t half_of_memory();  // bytes

// One run of an operation: counts what it does and makes, and tells errors of it. They name the operation, what it
// worked on, and the mend.
class Work {
 public:
  // `state_bytes` and `arc_bytes`: what one of the result takes in memory while it is made.
  Work(const char* operation, Bounds bounds, std::size_t state_bytes, std::size_t arc_bytes);
  // On one automaton, with a result of the same kind.
  template <class W>
  Work(const char* operation, const View<W>& fst, Bounds bounds = {})
      : Work(operation, bounds, sizeof(State<W>), sizeof(Arc<W>)) {
    what = "an automaton of " + std::to_string(fst.num_states) + " states";
  }
  // What is worked on, in messages: "two automata of 3 and 4 states" say.
  std::string what;

  // Call once for each small step: every now and then it looks whether somebody pressed Ctrl-C.
  void step() { steps(1); }
  void steps(std::size_t count) {
    if (((count_ + count) >> 16) != (count_ >> 16) && Input::on_interrupt) Input::on_interrupt();
    count_ += count;
  }
  // FstError where a result of this size is more than the bounds allow.
  void made(std::size_t states, std::size_t arcs) const {
    if (states > bounds_.max_states || arcs > bounds_.max_arcs) too_many(states, arcs);
  }
  template <typename... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    fst_error(operation_, " of ", what, ": ", parts...);
  }

 private:
  [[noreturn]] void too_many(std::size_t states, std::size_t arcs) const;
  const char* operation_;
  Bounds bounds_;
  std::uint64_t count_ = 0;
};

// FstError where a weight is NaN, minus infinity or half infinite.
template <class W>
void check_costs(const View<W>& fst, const Work& work) {
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    bool costs = is_member(W(fst.states[s].final));
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) costs &= is_member(W(arc.weight));
    if (!costs) work.fail("a cost of state ", s, " or of its arcs is no number, or minus infinity; mend that weight");
  }
}

inline std::uint64_t mixed(std::uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// Numbers 64-bit keys in the order in which they come; open addressing. The table holds numbers alone, for it is what
// takes most memory.
class Numbering {
 public:
  Numbering() : slots_(1024, kFree) {}
  std::uint32_t operator()(std::uint64_t key) {
    for (std::size_t i = mixed(key) & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      const std::uint32_t there = slots_[i];
      if (there == kFree) {
        const auto number = static_cast<std::uint32_t>(keys_.size());
        slots_[i] = number;
        keys_.push_back(key);
        if (keys_.size() * 3 > slots_.size() * 2) grow();
        return number;
      }
      if (keys_[there] == key) return there;
    }
  }
  // Says that a key will be asked for soon.
  void prefetch(std::uint64_t key) const { __builtin_prefetch(&slots_[mixed(key) & (slots_.size() - 1)]); }
  std::size_t size() const { return keys_.size(); }
  std::uint64_t key(std::size_t number) const { return keys_[number]; }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  void grow() {
    const std::size_t larger = slots_.size() * 2;
    slots_ = Array<std::uint32_t>();  // gone before the larger one comes
    slots_ = Array<std::uint32_t>(larger, kFree);
    for (std::size_t number = 0; number < keys_.size(); ++number) {
      std::size_t i = mixed(keys_[number]) & (slots_.size() - 1);
      while (slots_[i] != kFree) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = static_cast<std::uint32_t>(number);
    }
  }
  Array<std::uint32_t> slots_;
  Array<std::uint64_t> keys_;
};

// Numbers of things that the caller keeps and compares; open addressing by their hashes.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  HashIndex() : slots_(256, Slot{0, kNone}) {}
  // The number for which `same` holds, or kNone.
  template <class Same>
  std::uint32_t find(std::uint64_t hash, Same same) const {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[i];
      if (slot.number == kNone || (slot.tag == tag && same(slot.number))) return slot.number;
    }
  }
  // The same, or else `next`, which is put in.
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
    Array<Slot> larger(slots_.size() * 2, Slot{0, kNone});
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
  Array<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace sonant

// Long operations on automata: they can be stopped, and they do not take all memory.
#pragma once

#include <cstdint>

#include "fst_error.h"
#include "input.h"

namespace sonant {

inline constexpr std::int64_t kUnlimited = -1;

// Counts what an operation does, and looks for an interrupt (Ctrl-C) every 65536 steps.
class Steps {
 public:
  void step() {
    if ((++count_ & 0xffff) == 0 && Input::on_interrupt) Input::on_interrupt();
  }
  void steps(std::size_t count) {
    if (((count_ + count) >> 16) != (count_ >> 16) && Input::on_interrupt) Input::on_interrupt();
    count_ += count;
  }

 private:
  std::uint64_t count_ = 0;
};

// The most states and arcs that a result may have; negative: no limit but that of an automaton.
struct Limits {
  std::int64_t max_states = kUnlimited, max_arcs = kUnlimited;

  void check(const char* operation, std::size_t of_states, std::size_t states, std::size_t arcs) const {
    if (max_states >= 0 && states > static_cast<std::uint64_t>(max_states)) {
      fst_error(operation, " of an automaton with ", of_states, " states: the result has more than max_states=",
                max_states, " states; allow more, or prune or determinize the automaton first");
    }
    if (max_arcs >= 0 && arcs > static_cast<std::uint64_t>(max_arcs)) {
      fst_error(operation, " of an automaton with ", of_states, " states: the result has more than max_arcs=",
                max_arcs, " arcs; allow more, or prune or determinize the automaton first");
    }
    if (states > 0x7fffffff || arcs > 0xffffffff) {
      fst_error(operation, " of an automaton with ", of_states,
                " states: the result has more states or arcs than an automaton can have");
    }
  }
};

}  // namespace sonant

// Automata whose states are made as they are asked for.
//
// A source (lazy.cpp: composition; lookahead.cpp: composition that looks ahead) numbers the states as it meets
// them and can make the arcs of each again. The arcs lie in blocks, one after another; where `max_bytes` would be
// passed the oldest block is given up, and of its states only those move on that were asked for since (the clock
// algorithm, by blocks). States keep their numbers, which, with 24 bytes each and what the source keeps of them, are
// not counted.
//
// The automata that go in are shared and never change. A LazyFst belongs to one thread: each decoder has its own.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "fst/compose.h"
#include "fst/lookahead.h"
#include "fst/ngram.h"

namespace sonant {

inline constexpr std::uint64_t kLeastCache = 1 << 14, kUsualCache = 1 << 26;

template <class W>
class StateSource {
 public:
  virtual ~StateSource() = default;
  virtual StateId start() = 0;
  virtual std::size_t known() const = 0;
  // Appends its arcs.
  virtual void expand(StateId s, Array<Arc<W>>& arcs) = 0;
  virtual W final(StateId s) = 0;
};

struct LazyOptions {
  std::uint64_t max_bytes = kUsualCache;  // of arcs
  std::vector<Label> remove;              // input labels that become epsilon, those of disambiguation symbols say
};

template <class W>
class LazyFst {
 public:
  using Weight = W;
  LazyFst(std::unique_ptr<StateSource<W>> source, const LazyOptions& options);

  StateId start() const { return start_; }
  std::size_t num_known_states() const { return source_->known(); }
  std::uint64_t cached_bytes() const { return bytes_; }
  // Makes no arcs. The state must be known.
  W final(StateId s) { return source_->final(s); }
  // The arcs stay where they are until the next call. The state must be known.
  std::span<const Arc<W>> arcs_of(StateId s) {
    if (static_cast<std::size_t>(s) < slots_.size() && slots_[s].block != kNone) {
      slots_[s].recent = true;
      return {slots_[s].arcs, slots_[s].count};
    }
    return make(s);
  }
  // As for arcs_of, which must have been called for the state before.
  std::uint32_t num_input_epsilons(StateId s) const { return slots_[s].iepsilons; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Slot {
    const Arc<W>* arcs = nullptr;
    std::uint32_t count = 0, iepsilons = 0;
    std::uint32_t block = kNone;  // the number of its block; the first one in blocks_ has the number first_
    bool recent = false;
  };
  struct Block {
    std::unique_ptr<Arc<W>[]> arcs;
    std::size_t room = 0, used = 0;
    std::vector<StateId> states;
  };

  std::span<const Arc<W>> make(StateId s);
  void put(StateId s, std::span<const Arc<W>> arcs);
  void make_room(std::size_t arcs);

  std::unique_ptr<StateSource<W>> source_;
  StateId start_;
  std::uint64_t max_bytes_, bytes_ = 0;
  std::size_t block_arcs_;
  std::vector<bool> removed_;
  std::vector<Slot> slots_;
  std::deque<Block> blocks_;
  std::uint32_t first_ = 0;
  Array<Arc<W>> scratch_;
};

// The right side: an automaton, or an n-gram automaton as it lies in its file (kept alive here).
template <class W>
struct RightSide {
  Fst<W> fst;
  std::shared_ptr<const NgramFst<W>> ngram;  // used in place of `fst` where it is there
};

// As compose() in compose.h, numbering states in the order in which they are met. Throws FstError as that does, and
// with `filter` other than the usual one for an n-gram automaton.
template <class W>
LazyFst<W> compose_lazily(const Fst<W>& left, const RightSide<W>& right, const ComposeOptions& compose,
                          const LazyOptions& options);

// With look-ahead: see lookahead.h. `reach` belongs to `left` (output labels) or to `right` (input labels).
template <class W>
LazyFst<W> compose_ahead(const Fst<W>& left, const RightSide<W>& right, std::shared_ptr<const Reachability> reach,
                         const LookAheadOptions& ahead, const LazyOptions& options);

// All of it, its states numbered as they are met breadth first.
template <class W>
Fst<W> expand(LazyFst<W>& lazy, bool connect, Bounds limits);

}  // namespace sonant

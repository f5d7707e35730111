// A lazy composition (fst/lazy.h) as a decoding graph: HCLr and Gr with look-ahead, say.
#pragma once

#include <utility>

#include "fst/lazy.h"
#include "search/dynamic_graph.h"

namespace sonant {

class LazySource final : public DynamicSource {
 public:
  explicit LazySource(LazyFst<TropicalWeight> lazy) : lazy_(std::move(lazy)) {}

  StateId start() override { return lazy_.start(); }
  std::size_t known() const override { return lazy_.num_known_states(); }
  float final(StateId s) override { return lazy_.final(s).value; }
  void epsilons(StateId s, Arcs& arcs) override {
    const auto all = lazy_.arcs_of(s);
    if (lazy_.num_input_epsilons(s)) take(all, false, arcs);
  }
  void emitting(StateId s, Arcs& arcs) override { take(lazy_.arcs_of(s), true, arcs); }
  std::size_t bytes() const override { return lazy_.cached_bytes() + 60 * known(); }

 private:
  static void take(std::span<const Arc<TropicalWeight>> from, bool emitting, Arcs& arcs) {
    for (const Arc<TropicalWeight>& arc : from) {
      if ((arc.ilabel != 0) == emitting) arcs.push_back({arc});
    }
  }
  LazyFst<TropicalWeight> lazy_;
};

}  // namespace sonant

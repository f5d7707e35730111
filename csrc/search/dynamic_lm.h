// A decoding graph composed with a language model on the fly, as Kaldi's decoders for big models do: a state is a pair
// of a state of the graph and one of the model, and output labels of the graph go through the model. Usually the model is
// the difference of a large one and the one that the graph was made with.
#pragma once

#include "lm/on_demand.h"
#include "search/dynamic_graph.h"

namespace sonant {

class LmSource final : public DynamicSource {
 public:
  // Arcs whose word the model has not are left out.
  LmSource(Fst<TropicalWeight> fst, OnDemandPtr model)
      : fst_(std::move(fst)), view_(fst_.view()), model_(std::move(model)) {}

  StateId start() override;
  std::size_t known() const override { return pairs_.size(); }
  float final(StateId s) override;
  void epsilons(StateId s, Arcs& arcs) override { expand(s, arcs, false); }
  void emitting(StateId s, Arcs& arcs) override { expand(s, arcs, true); }
  std::uint64_t order_key(StateId s) const override { return key(lm_state(s), graph_state(s)); }
  std::size_t bytes() const override { return 16 * pairs_.size() + model_->bytes(); }

 private:
  StateId graph_state(StateId s) const { return StateId(pairs_.key(std::size_t(s)) >> 32); }
  StateId lm_state(StateId s) const { return StateId(std::uint32_t(pairs_.key(std::size_t(s)))); }
  static std::uint64_t key(StateId s, StateId t) { return std::uint64_t(std::uint32_t(s)) << 32 | std::uint32_t(t); }
  void expand(StateId s, Arcs& arcs, bool emitting);

  Fst<TropicalWeight> fst_;
  View<TropicalWeight> view_;
  OnDemandPtr model_;
  Numbering pairs_;
  Array<std::uint64_t> keys_;  // where the arcs that are made lead
};

}  // namespace sonant

// A grammar as a decoding graph: a top graph and sub-graphs, each for one input label. An arc with that label leads, by an
// epsilon that keeps the arc's output label and cost, into the sub-graph, and its final states lead, by epsilons with their
// final costs, to where the arc leads (OpenFst's ReplaceFst, made as it is met). A state is a pair of an instance of a
// graph, which knows where it returns to, and a state of that graph; final are states of the top graph alone.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "search/dynamic_graph.h"

namespace sonant {

struct Grammar {
  std::vector<Fst<TropicalWeight>> graphs;  // the top one first
  std::vector<Label> labels;                // of the others, from graphs[1] on
};

class GrammarSource final : public DynamicSource {
 public:
  // Sub-graphs must not contain each other in a circle.
  explicit GrammarSource(std::shared_ptr<const Grammar> grammar);

  StateId start() override;
  std::size_t known() const override { return states_.size(); }
  float final(StateId s) override;
  void epsilons(StateId s, Arcs& arcs) override { expand(s, arcs, false); }
  void emitting(StateId s, Arcs& arcs) override { expand(s, arcs, true); }
  std::size_t bytes() const override { return 16 * (states_.size() + sites_.size() + children_.size()); }

 private:
  struct Instance {
    std::uint32_t graph;
    std::uint32_t parent;  // instance
    StateId back;          // state of the parent's graph
  };
  std::uint32_t instance_of(StateId s) const { return std::uint32_t(states_.key(std::size_t(s)) >> 32); }
  StateId base(StateId s) const { return StateId(std::uint32_t(states_.key(std::size_t(s)))); }
  StateId number(std::uint32_t instance, StateId s) {
    return StateId(states_(std::uint64_t(instance) << 32 | std::uint32_t(s)));
  }
  std::uint32_t graph_of(Label label) const {
    return label >= least_ && std::size_t(label - least_) < graph_of_.size() ? graph_of_[label - least_] : 0;
  }
  std::uint32_t child(std::uint32_t parent, StateId back, std::uint32_t graph);
  void expand(StateId s, Arcs& arcs, bool emitting);

  std::shared_ptr<const Grammar> grammar_;
  std::vector<View<TropicalWeight>> views_;
  Label least_ = 0;
  std::vector<std::uint32_t> graph_of_;   // of a label from least_ on; 0 for labels that read frames
  Numbering states_, sites_, children_;
  std::vector<Instance> instances_;
};

// T o G for the standard CTC topology T without T (see graphs/ctc.h): a state is (state of G, last token or none, whether G
// has moved by an epsilon since a token was written). G may be any source, its input labels being tokens.
class CtcSource final : public DynamicSource {
 public:
  // `blank`: its input label, which G does not have.
  CtcSource(std::unique_ptr<DynamicSource> inner, Label blank) : inner_(std::move(inner)), blank_(blank) {}

  StateId start() override;
  std::size_t known() const override { return states_.size(); }
  float final(StateId s) override { return inner_->final(states_[s].inner); }
  void epsilons(StateId s, Arcs& arcs) override;
  void emitting(StateId s, Arcs& arcs) override;
  std::size_t bytes() const override { return 32 * states_.size() + inner_->bytes(); }

 private:
  struct CtcState {
    StateId inner;
    Label last;  // 0: none
    bool moved;
  };
  static std::uint64_t hash_of(const CtcState& s) {
    return mixed(std::uint64_t(std::uint32_t(s.inner)) << 32 | std::uint32_t(s.last) << 1 | std::uint32_t(s.moved));
  }
  StateId number(const CtcState& state);

  std::unique_ptr<DynamicSource> inner_;
  Label blank_;
  Array<CtcState> states_;
  HashIndex index_;
  Arcs scratch_;
};

}  // namespace sonant

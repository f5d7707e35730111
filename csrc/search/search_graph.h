// A decoding graph prepared for search: each state's epsilon arcs, then its emitting arcs, both in the order of the
// automaton; of an arc 12 bytes that the search reads, and its output label apart from them. The input label is there
// only where a table of columns leaves it in doubt.
//
// Searches are templates over such a graph. What they need of one:
//
//   start()  num_states()  final(s)  epsilons(s)  emitting(s)  first_arc()
//   record(arc): what they keep of an arc, and of that input_label(record)  output_label(record)  cost(record)
//
// DynamicGraph (dynamic_graph.h) is another one, whose states are made as they are met.
#pragma once

#include <cstdint>
#include <span>

#include "array.h"
#include "fst/fst.h"
#include "fst/work.h"
#include "prefetch.h"

namespace sonant {

// An arc as a search sees it: the column of the scores that it reads (epsilon: -1), its cost, where it leads.
class SearchArc {
 public:
  SearchArc(std::int32_t column, float cost, StateId next, bool then_epsilons)
      : column(column), cost(cost), next_(static_cast<std::uint32_t>(next) << 1 | std::uint32_t(then_epsilons)) {}

  std::int32_t column;
  float cost;

  StateId next() const { return static_cast<StateId>(next_ >> 1); }
  bool then_epsilons() const { return next_ & 1; }  // epsilon arcs leave the state that it leads to

 private:
  std::uint32_t next_;
};

// The column that an input label reads: of a table, label - 1 where that is empty. SearchError, which names the state, if
// any, for a label below 0 or without a column.
std::int32_t column_of(Label label, std::span<const std::int32_t> columns, StateId state);

class SearchGraph {
 public:
  using Shared = const SearchGraph;
  static constexpr bool grows = false;

  // `columns`: which column of the scores an input label reads, -1 for labels that may not be in the graph (label 0 is
  // epsilon whatever stands there). Empty: label - 1, as Kaldi has it.
  // SearchError where the graph has no start state, a label without a column, a cost that is no cost, or a cycle of
  // epsilon arcs whose cost is negative, in which a search would go round without end.
  SearchGraph(const View<TropicalWeight>& fst, std::span<const std::int32_t> columns, Work& work);

  StateId start() const { return start_; }
  std::size_t num_states() const { return finals_.size(); }
  std::size_t num_arcs() const { return arcs_.size(); }
  std::int32_t num_columns() const { return num_columns_; }  // that scores must have at least
  float final(StateId s) const { return finals_[s]; }
  std::span<const SearchArc> epsilons(StateId s) const {
    return {arcs_.data() + states_[s].begin, arcs_.data() + states_[s].emitting};
  }
  std::span<const SearchArc> emitting(StateId s) const {
    return {arcs_.data() + states_[s].emitting, arcs_.data() + states_[s + 1].begin};
  }
  void prefetch_state(StateId s) const { prefetch(&states_[s]); }
  void prefetch_arcs(StateId s) const { prefetch(arcs_.data() + states_[s].emitting); }
  // The number of an arc is its distance from here.
  const SearchArc* first_arc() const { return arcs_.data(); }
  std::uint32_t record(std::size_t arc) const { return static_cast<std::uint32_t>(arc); }
  Label input_label(std::uint32_t record) const { return inputs_.empty() ? arcs_[record].column + 1 : inputs_[record]; }
  Label output_label(std::uint32_t record) const { return outputs_[record]; }
  float cost(std::uint32_t record) const { return arcs_[record].cost; }

 private:
  struct Range {
    std::uint32_t begin, emitting;
  };
  void check_epsilon_cycles(Work& work) const;

  StateId start_;
  std::int32_t num_columns_ = 0;
  Array<Range> states_;  // and one more, whose begin ends the last
  Array<float> finals_;
  Array<SearchArc> arcs_;
  Array<Label> inputs_, outputs_;
};

}  // namespace sonant

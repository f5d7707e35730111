#include "search/search_graph.h"

#include <algorithm>

#include "search/scores.h"

namespace sonant {

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::string message = "graph: ";
  const auto append = [&](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
      message += std::to_string(part);
    } else {
      message += part;
    }
  };
  (append(parts), ...);
  throw SearchError(message);
}

}  // namespace

std::int32_t column_of(Label label, std::span<const std::int32_t> columns, StateId state) {
  const auto where = [&] { return state == kNoState ? std::string() : " of state " + std::to_string(state); };
  if (label < 0) refuse("an arc", where(), " has input label ", label, "; expected labels from 0 on");
  if (columns.empty()) return label - 1;
  if (std::size_t(label) >= columns.size()) {
    refuse("an arc", where(), " has input label ", label, ", but the table of columns ends at label ",
           columns.size() - 1, "; give a column to each label of the graph");
  }
  const std::int32_t column = columns[label];
  if (column < 0) {
    refuse("an arc", where(), " has input label ", label, ", for which the table has column ", column,
           "; give a column to each label of the graph");
  }
  return column;
}

SearchGraph::SearchGraph(const View<TropicalWeight>& fst, std::span<const std::int32_t> columns, Work& work)
    : start_(fst.start) {
  const std::size_t n = fst.num_states, m = fst.num_arcs();
  if (start_ == kNoState) refuse("it has no start state, so that it accepts nothing");
  states_.resize(n + 1, Range{0, 0});
  finals_.resize_for_overwrite(n);
  arcs_.reserve(m);
  outputs_.reserve(m);
  if (!columns.empty()) inputs_.reserve(m);
  Array<char> has_epsilons(n, 0);
  for (std::size_t s = 0; s < n; ++s) {
    for (const Arc<TropicalWeight>& arc : fst.arcs_of(StateId(s))) has_epsilons[s] |= arc.ilabel == 0;
  }
  for (std::size_t s = 0; s < n; ++s) {
    const float final = fst.states[s].final.value;
    if (!is_cost(final)) refuse("the final cost of state ", s, " is ", final, "; mend that weight");
    finals_[s] = final;
    states_[s].begin = static_cast<std::uint32_t>(arcs_.size());
    for (const bool emitting : {false, true}) {
      if (emitting) states_[s].emitting = static_cast<std::uint32_t>(arcs_.size());
      for (const Arc<TropicalWeight>& arc : fst.arcs_of(StateId(s))) {
        if ((arc.ilabel != 0) != emitting) continue;
        const float cost = arc.weight.value;
        if (!is_cost(cost)) refuse("an arc of state ", s, " has cost ", cost, "; mend that weight");
        const std::int32_t column = emitting ? column_of(arc.ilabel, columns, StateId(s)) : -1;
        if (emitting) num_columns_ = std::max(num_columns_, column + 1);
        arcs_.push_back(SearchArc(column, cost, arc.nextstate, has_epsilons[arc.nextstate] != 0));
        outputs_.push_back(arc.olabel);
        if (!columns.empty()) inputs_.push_back(arc.ilabel);
        work.step();
      }
    }
  }
  states_[n].begin = static_cast<std::uint32_t>(arcs_.size());
  check_epsilon_cycles(work);
}

// A search follows an epsilon arc where that lowers a cost. A cycle is found as Bellman and Ford do: costs from nowhere
// that still fall after as many rounds as there are states. Only what a negative cost starts has to be followed.
void SearchGraph::check_epsilon_cycles(Work& work) const {
  Array<double> costs(num_states(), 0.0);
  Array<StateId> changed, next;
  Array<char> waits(num_states(), 0);
  const auto relax = [&](StateId s) {
    for (const SearchArc& arc : epsilons(s)) {
      work.step();
      // Sums of costs that are rounded may differ from 0 a little.
      if (costs[s] + arc.cost >= costs[arc.next()] - 1e-6) continue;
      costs[arc.next()] = costs[s] + arc.cost;
      if (!waits[arc.next()]) {
        waits[arc.next()] = 1;
        next.push_back(arc.next());
      }
    }
  };
  for (std::size_t s = 0; s < num_states(); ++s) relax(StateId(s));
  for (std::size_t round = 0; !next.empty(); ++round) {
    if (round > num_states()) {
      refuse("state ", next[0], " lies on or behind a cycle of epsilon arcs with a negative cost, in which a search goes "
             "round without end; mend these weights");
    }
    changed.swap(next);
    next.clear();
    for (const StateId s : changed) waits[s] = 0;
    for (const StateId s : changed) relax(s);
  }
}

}  // namespace sonant

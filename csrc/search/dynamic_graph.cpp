#include "search/dynamic_graph.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "search/scores.h"

namespace sonant {

DynamicGraph::DynamicGraph(std::unique_ptr<DynamicSource> source, std::vector<std::int32_t> columns,
                           std::int32_t num_columns, std::uint64_t max_bytes, bool older_rules)
    : source_(std::move(source)), columns_(std::move(columns)), num_columns_(num_columns), max_bytes_(max_bytes),
      older_rules_(older_rules), start_(source_->start()) {
  if (start_ == kNoState) throw SearchError("graph: it has no start state, so that it accepts nothing");
}

float DynamicGraph::final(StateId s) {
  const float final = source_->final(s);
  if (!is_cost(final)) {
    throw SearchError("graph: a final cost is " + std::to_string(final) + "; mend the weights that it is made of");
  }
  return final;
}

std::span<const SearchArc> DynamicGraph::make(StateId s, bool emitting) {
  scratch_.clear();
  emitting ? source_->emitting(s, scratch_) : source_->epsilons(s, scratch_);
  const std::size_t begin = arcs_.size(), known = source_->known();
  if (begin + scratch_.size() >= kNone) throw SearchError("graph: more arcs than can be numbered; lower max_bytes");
  if (known >= (std::size_t(1) << 31)) throw SearchError("graph: more states than can be numbered; lower the beams");
  for (const auto& [arc, then_epsilons] : scratch_) {
    const float cost = arc.weight.value;
    if (!is_cost(cost)) {
      throw SearchError("graph: an arc with the labels " + std::to_string(arc.ilabel) + " and " +
                        std::to_string(arc.olabel) + " has cost " + std::to_string(cost) +
                        "; mend the weights that it is made of");
    }
    const std::int32_t column = arc.ilabel == 0 ? 0 : column_of(arc.ilabel, columns_, kNoState);
    if (arc.ilabel != 0 && column >= num_columns_) {
      throw SearchError("graph: an arc with the input label " + std::to_string(arc.ilabel) +
                        ", which it did not have when the search was made; make another search");
    }
    arcs_.push_back(SearchArc(column, cost, arc.nextstate, then_epsilons));
    labels_.push_back({arc.ilabel, arc.olabel});
    records_of_.push_back(kNone);
  }
  if (states_.size() < known) states_.resize(std::max(known, 2 * states_.size()));
  Part& made = emitting ? states_[s].emitting : states_[s].epsilon;
  made = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(scratch_.size())};
  return {arcs_.data() + begin, scratch_.size()};
}

std::uint32_t DynamicGraph::make_record(std::size_t arc) {
  const Record record{labels_[arc].input, labels_[arc].output, arcs_[arc].cost};
  const auto hash_of = [](const Record& r) {
    const std::uint64_t labels = std::uint64_t(std::uint32_t(r.input)) << 32 | std::uint32_t(r.output);
    return mixed(labels ^ mixed(std::bit_cast<std::uint32_t>(r.cost)));
  };
  const auto next = static_cast<std::uint32_t>(records_.size());
  const std::uint32_t found = index_.find_or_add(hash_of(record), next, [&](std::uint32_t other) {
    const Record& r = records_[other];
    return r.input == record.input && r.output == record.output &&
           std::bit_cast<std::uint32_t>(r.cost) == std::bit_cast<std::uint32_t>(record.cost);
  });
  if (found == next) {
    records_.push_back(record);
    if (index_.full()) index_.grow([&](std::uint32_t other) { return hash_of(records_[other]); });
  }
  return found;
}

std::size_t DynamicGraph::bytes() const {
  return arc_bytes() + states_.size() * sizeof(Parts) + records_.size() * (sizeof(Record) + 16) + source_->bytes();
}

void DynamicGraph::settle() {
  if (arc_bytes() > max_bytes_) {
    std::fill(states_.begin(), states_.end(), Parts{});
    arcs_.clear();
    labels_.clear();
    records_of_.clear();
  }
  if (bytes() > half_of_memory()) {
    throw SearchError("graph: its " + std::to_string(num_states()) + " states that have been met need more than half of "
                      "the memory of this machine; lower beam or max_active, or search in shorter pieces");
  }
}

DynamicGraphs::DynamicGraphs(Make make, std::span<const Label> labels, std::span<const std::int32_t> columns,
                             Options options)
    : make_(std::move(make)), columns_(columns.begin(), columns.end()), options_(options) {
  for (const Label label : labels) {
    if (label == 0) continue;
    num_columns_ = std::max(num_columns_, column_of(label, columns, kNoState) + 1);
  }
}

std::shared_ptr<DynamicGraph> DynamicGraphs::take(const std::shared_ptr<DynamicGraphs>& graphs) {
  std::unique_ptr<DynamicGraph> graph;
  {
    const std::lock_guard lock(graphs->mutex_);
    if (!graphs->waiting_.empty()) {
      graph = std::move(graphs->waiting_.back());
      graphs->waiting_.pop_back();
    }
  }
  const Options& options = graphs->options_;
  if (!graph) {
    graph = std::make_unique<DynamicGraph>(graphs->make_(), graphs->columns_, graphs->num_columns_, options.max_bytes,
                                           options.older_rules);
  }
  // It comes back when its search is gone, unless it has grown too large.
  return {graph.release(), [graphs](DynamicGraph* used) {
            std::unique_ptr<DynamicGraph> back(used);
            if (graphs->options_.fresh || back->bytes() > 4 * graphs->options_.max_bytes) return;
            const std::lock_guard lock(graphs->mutex_);
            graphs->waiting_.push_back(std::move(back));
          }};
}

std::vector<Label> input_labels(const View<TropicalWeight>& fst) {
  std::vector<Label> labels;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (!is_cost(fst.states[s].final.value)) {
      throw SearchError("graph: the final cost of state " + std::to_string(s) + " is no number; mend that weight");
    }
    for (const Arc<TropicalWeight>& arc : fst.arcs_of(StateId(s))) {
      if (arc.ilabel < 0 || !is_cost(arc.weight.value)) {
        throw SearchError("graph: an arc of state " + std::to_string(s) + " has input label " +
                          std::to_string(arc.ilabel) + " and cost " + std::to_string(arc.weight.value) +
                          "; expected labels from 0 on, and a number");
      }
      if (arc.ilabel != 0) labels.push_back(arc.ilabel);
    }
    if (labels.size() > (std::size_t(1) << 20)) {
      std::ranges::sort(labels);
      labels.erase(std::ranges::unique(labels).begin(), labels.end());
    }
  }
  std::ranges::sort(labels);
  labels.erase(std::ranges::unique(labels).begin(), labels.end());
  return labels;
}

}  // namespace sonant

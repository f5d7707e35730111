// A decoding graph whose states are made as a search meets them: one composed with a language model, a lazy composition,
// a grammar with sub-graphs. For searches it is like a SearchGraph (search_graph.h), but it grows:
//
//   num_states() is of the states that are known, and grows whenever epsilons(s) or emitting(s) make arcs
//   the arcs of a state stay where they are until the next arcs are made; numbers of arcs hold until settle()
//   record(arc) is what a search keeps of an arc beyond that: its labels and its cost
//
// What gives the arcs is a DynamicSource. A DynamicGraph belongs to one search at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "array.h"
#include "fst/work.h"
#include "prefetch.h"
#include "search/search_graph.h"

namespace sonant {

class DynamicSource {
 public:
  struct Made {
    Arc<TropicalWeight> arc;
    bool then_epsilons = true;  // whether epsilon arcs may leave the state that it leads to
  };
  using Arcs = Array<Made>;
  virtual ~DynamicSource() = default;
  virtual StateId start() = 0;              // kNoState: nothing is accepted
  virtual std::size_t known() const = 0;    // states are numbered from 0 as they are met
  virtual float final(StateId s) = 0;       // infinity: not final
  // Append arcs of a known state; the states that they lead to are known afterwards.
  virtual void epsilons(StateId s, Arcs& arcs) = 0;
  virtual void emitting(StateId s, Arcs& arcs) = 0;
  // By what Kaldi's hash list would know the state; where all are the same, tokens are followed in the order in which
  // they come, however states are numbered.
  virtual std::uint64_t order_key(StateId) const { return 0; }
  virtual std::size_t bytes() const = 0;
};

class DynamicGraph {
 public:
  using Shared = DynamicGraph;
  static constexpr bool grows = true;

  // `columns` as for SearchGraph. `older_rules`: whether lattices are searched for by the older rules of Kaldi's decoder
  // for big models: epsilons are followed from tokens within the beam of the best token of their frame, not within the
  // cutoff that emitting arcs have left; min_active counts nothing; what max_active makes is never more than the beam.
  DynamicGraph(std::unique_ptr<DynamicSource> source, std::vector<std::int32_t> columns, std::int32_t num_columns,
               std::uint64_t max_bytes, bool older_rules);

  StateId start() const { return start_; }
  std::size_t num_states() const { return source_->known(); }
  std::int32_t num_columns() const { return num_columns_; }
  bool older_rules() const { return older_rules_; }
  float final(StateId s);
  std::span<const SearchArc> epsilons(StateId s) { return part(s, false); }
  std::span<const SearchArc> emitting(StateId s) { return part(s, true); }
  std::uint64_t order_key(StateId s) const { return source_->order_key(s); }
  void prefetch_state(StateId s) const {
    if (std::size_t(s) < states_.size()) prefetch(&states_[s]);
  }
  void prefetch_arcs(StateId) const {}
  const SearchArc* first_arc() const { return arcs_.data(); }

  std::uint32_t record(std::size_t arc) {
    return records_of_[arc] == kNone ? records_of_[arc] = make_record(arc) : records_of_[arc];
  }
  Label input_label(std::uint32_t record) const { return records_[record].input; }
  Label output_label(std::uint32_t record) const { return records_[record].output; }
  float cost(std::uint32_t record) const { return records_[record].cost; }

  // Between two frames: where the arcs take more than max_bytes all go, and are made again when they are asked for.
  // SearchError where what stays needs more than half of the memory of this machine.
  void settle();
  std::size_t bytes() const;  // all in all
  std::size_t arc_bytes() const { return arcs_.size() * kArcBytes; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Labels {
    Label input, output;
  };
  struct Record {
    Label input, output;
    float cost;
  };
  struct Part {
    std::uint32_t begin = kNone, count = 0;
  };
  struct Parts {
    Part epsilon, emitting;
  };
  static constexpr std::size_t kArcBytes = sizeof(SearchArc) + sizeof(Labels) + sizeof(std::uint32_t);

  std::span<const SearchArc> part(StateId s, bool emitting) {
    if (std::size_t(s) < states_.size()) {
      const Part& made = emitting ? states_[s].emitting : states_[s].epsilon;
      if (made.begin != kNone) return {arcs_.data() + made.begin, made.count};
    }
    return make(s, emitting);
  }
  std::span<const SearchArc> make(StateId s, bool emitting);
  std::uint32_t make_record(std::size_t arc);

  std::unique_ptr<DynamicSource> source_;
  std::vector<std::int32_t> columns_;
  std::int32_t num_columns_;
  std::uint64_t max_bytes_;
  bool older_rules_;
  StateId start_;
  Array<Parts> states_;
  Array<SearchArc> arcs_;
  Array<Labels> labels_;
  Array<std::uint32_t> records_of_;  // of each arc, kNone until it is followed
  Array<Record> records_;
  HashIndex index_;
  DynamicSource::Arcs scratch_;
};

// What dynamic graphs are made of, shared by any number of searches and threads; and those graphs that wait for the next
// search, with the states and arcs that they have (none where `fresh`).
class DynamicGraphs {
 public:
  using Make = std::function<std::unique_ptr<DynamicSource>()>;
  struct Options {
    std::uint64_t max_bytes = std::uint64_t(1) << 26;  // of the arcs of a graph
    bool older_rules = false;
    bool fresh = false;  // each search begins with a graph of its own
  };
  // `labels`: the input labels that may come. SearchError where one has no column.
  DynamicGraphs(Make make, std::span<const Label> labels, std::span<const std::int32_t> columns, Options options);

  std::int32_t num_columns() const { return num_columns_; }
  // SearchError where the graph accepts nothing.
  static std::shared_ptr<DynamicGraph> take(const std::shared_ptr<DynamicGraphs>& graphs);

 private:
  Make make_;
  std::vector<std::int32_t> columns_;
  std::int32_t num_columns_ = 0;
  Options options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<DynamicGraph>> waiting_;
};

// The input labels of a graph, sorted, without epsilon. SearchError where one is below 0, or a cost is no cost.
std::vector<Label> input_labels(const View<TropicalWeight>& fst);

}  // namespace sonant

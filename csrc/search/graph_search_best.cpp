#include "search/graph_search_best.h"

#include "search/dynamic_graph.h"

#include <algorithm>
#include <utility>

namespace sonant {

namespace {

constexpr std::size_t kFirstSweep = std::size_t(1) << 16;  // traces

}  // namespace

template <class Graph>
BestPathSearch<Graph>::BestPathSearch(std::shared_ptr<typename Graph::Shared> graph, const GraphSearchOptions& options,
                                      float scale)
    : graph_(std::move(graph)),
      options_(options),
      scale_(scale),
      sweep_at_(kFirstSweep),
      work_("search", Bounds{}, sizeof(Trace), 1) {
  check_options(options, scale);
  work_.what = "a graph of " + std::to_string(graph_->num_states()) + " states";
  numbers_.resize(graph_->num_states());
  tokens_.room(1);
  const StateId start = graph_->start();
  tokens_.cost[0] = 0;
  tokens_.state[0] = start;
  tokens_.back[0] = kNone;
  tokens_.arc[0] = kNone;
  tokens_.count = 1;
  numbers_[start] = 0;
  make_room(queue_, 1);
  queued_ = graph_->epsilons(start).empty() ? 0 : 1;
  queue_[0] = 0;
  next_ = std::move(tokens_);
  follow_epsilons(kInfinity);  // as Kaldi does here, and the beam in its lattice search
  tokens_ = std::move(next_);
  next_ = {};
}

template <class Graph>
void BestPathSearch<Graph>::advance(const Scores& scores) {
  if (finished_) throw SearchError("this search has been finished; start another one for more frames");
  check_scores(scores, graph_->num_columns(), frames_);
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    frame(scores.row(i), static_cast<std::int32_t>(scores.tokens));
  }
}


template <class Graph>
std::uint32_t BestPathSearch<Graph>::leave_trace(const Tokens& tokens, std::uint32_t token, float offset) {
  make_room(traces_, num_traces_ + 1);
  traces_[num_traces_] = {tokens.back[token], tokens.arc[token], tokens.cost[token], offset};
  return static_cast<std::uint32_t>(num_traces_++);
}

// Whether that lowers the cost of the state that the arc leads to.
template <class Graph>
bool BestPathSearch<Graph>::reach(Tokens& tokens, const SearchArc& arc, std::size_t number, float cost,
                                  std::uint32_t back) {
  const StateId state = arc.next();
  std::uint32_t& there = numbers_[state];
  const auto count = static_cast<std::uint32_t>(tokens.count);
  const bool fresh = there >= count || tokens.state[there] != state;
  const std::uint32_t token = fresh ? count : there;
  const float before = fresh ? kInfinity : tokens.cost[token];
  const bool better = cost < before;
  tokens.cost[token] = better ? cost : before;
  tokens.back[token] = better ? back : tokens.back[token];
  if constexpr (Graph::grows) {
    if (better) tokens.arc[token] = graph_->record(number);
  } else {
    tokens.arc[token] = better ? graph_->record(number) : tokens.arc[token];
  }
  tokens.state[token] = state;
  there = token;
  tokens.count += fresh;
  return better;
}

template <class Graph>
void BestPathSearch<Graph>::frame(const float* scores, std::int32_t columns) {
  if constexpr (Graph::grows) graph_->settle();
  const std::span<const float> costs(tokens_.cost.data(), tokens_.count);
  const FrameCutoff cutoff = find_cutoff_(costs, options_);
  followed_.resize_for_overwrite(tokens_.count + 1);
  std::size_t count = 0;
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    followed_[count] = static_cast<std::uint32_t>(i);
    count += costs[i] < cutoff.cutoff;
  }
  const float offset = std::isfinite(cutoff.best) ? -cutoff.best : 0.0f;
  costs_.set(scores, columns, scale_, offset);
  float limit = kInfinity;
  for (std::size_t i = 0; i < count; ++i) {  // the best token gives a first idea of the next cutoff
    const std::uint32_t token = followed_[i];
    if (costs[token] != cutoff.best) continue;
    for (const SearchArc& arc : graph_->emitting(tokens_.state[token])) {
      limit = std::min(limit, costs[token] + costs_[arc.column] + arc.cost + cutoff.adaptive_beam);
    }
    break;
  }
  next_.count = 0;
  queued_ = 0;
  constexpr std::size_t kStatesAhead = 16, kArcsAhead = 6;
  batch_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kStatesAhead < count) graph_->prefetch_state(tokens_.state[followed_[i + kStatesAhead]]);
    if (i + kArcsAhead < count) graph_->prefetch_arcs(tokens_.state[followed_[i + kArcsAhead]]);
    const std::uint32_t token = followed_[i];
    const auto arcs = graph_->emitting(tokens_.state[token]);
    batch_.add(token, costs[token], arcs, graph_->first_arc(), costs_.data(), limit);
    if (batch_.full() || i + 1 == count) follow(limit, cutoff.adaptive_beam);
  }
  work_.steps(count);
  const float before = std::exchange(offset_, offset);
  try {
    follow_epsilons(limit);
  } catch (...) {  // of a graph that is made as it is met, or somebody pressed Ctrl-C: all is as before the frame
    offset_ = before;
    throw;
  }
  std::swap(tokens_, next_);
  ++frames_;
  if (num_traces_ >= sweep_at_) sweep();
}

template <class Graph>
void BestPathSearch<Graph>::follow(float& limit, float adaptive_beam) {
  if constexpr (Graph::grows) numbers_.resize(graph_->num_states());
  const std::size_t most = batch_.size();
  next_.room(next_.count + most + 1);
  make_room(queue_, queued_ + most + 1);
  const SearchArc* arcs = graph_->first_arc();
  const auto candidates = batch_.candidates();
  for (const auto& candidate : candidates) numbers_.prefetch_state(arcs[candidate.arc].next());
  std::size_t i = 0, queued = queued_;
  float lowest = limit;
  for (const auto& source : batch_.sources()) {
    if (i == source.end) continue;
    const std::uint32_t back = leave_trace(tokens_, source.token, offset_);
    for (; i < source.end; ++i) {
      const float cost = candidates[i].cost;
      if (cost >= lowest) continue;
      lowest = std::min(lowest, cost + adaptive_beam);
      const SearchArc& arc = arcs[candidates[i].arc];
      const std::size_t before = next_.count;
      reach(next_, arc, candidates[i].arc, cost, back);
      queue_[queued] = static_cast<std::uint32_t>(before);
      queued += std::size_t(next_.count != before) & std::size_t(arc.then_epsilons());
    }
  }
  queued_ = queued;
  limit = lowest;
  batch_.clear();
}

// Epsilon arcs, from the tokens in queue_. A token whose cost has fallen is followed again.
template <class Graph>
void BestPathSearch<Graph>::follow_epsilons(float cutoff) {
  const std::size_t tokens = next_.count;
  std::size_t queued = queued_, followed = 0;
  while (queued) {
    const std::uint32_t token = queue_[--queued];
    const float cost = next_.cost[token];
    if (cost >= cutoff) continue;
    const auto arcs = graph_->epsilons(next_.state[token]);
    const SearchArc* first_arc = graph_->first_arc();
    if constexpr (Graph::grows) {
      numbers_.resize(graph_->num_states());
      check_rounds(++followed, tokens, next_.count);
    }
    next_.room(next_.count + arcs.size() + 1);
    make_room(queue_, queued + arcs.size());
    std::uint32_t back = kNone;
    for (const SearchArc& arc : arcs) {
      const float sum = cost + arc.cost;
      if (!(sum < cutoff)) continue;
      if (back == kNone) back = leave_trace(next_, token, offset_);
      if (reach(next_, arc, &arc - first_arc, sum, back) && arc.then_epsilons()) {
        queue_[queued++] = numbers_[arc.next()];
      }
    }
    work_.steps(arcs.size());
  }
}

// Keeps the traces that tokens lead back to; they close ranks.
template <class Graph>
void BestPathSearch<Graph>::sweep() {
  moved_.assign(num_traces_, 0);
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    for (std::uint32_t trace = tokens_.back[i]; trace != kNone && !moved_[trace]; trace = traces_[trace].before) {
      moved_[trace] = 1;
    }
  }
  std::uint32_t kept = 0;
  for (std::size_t i = 0; i < num_traces_; ++i) {
    if (!moved_[i]) continue;
    Trace trace = traces_[i];
    if (trace.before != kNone) trace.before = moved_[trace.before];  // which comes earlier
    traces_[kept] = trace;
    moved_[i] = kept++;
  }
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    if (tokens_.back[i] != kNone) tokens_.back[i] = moved_[tokens_.back[i]];
  }
  num_traces_ = kept;
  sweep_at_ = std::max(kFirstSweep, 2 * num_traces_);
  work_.made(num_traces_, 0);
}

template <class Graph>
bool BestPathSearch<Graph>::any_final() const {
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    if (graph_->final(tokens_.state[i]) != kInfinity) return true;
  }
  return false;
}

template <class Graph>
float BestPathSearch<Graph>::final_relative_cost() const {
  float best = kInfinity, best_final = kInfinity;
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    best = std::min(best, tokens_.cost[i]);
    best_final = std::min(best_final, tokens_.cost[i] + graph_->final(tokens_.state[i]));
  }
  return best_final == kInfinity ? kInfinity : best_final - best;
}

template <class Graph>
std::size_t BestPathSearch<Graph>::best_token(bool use_final) const {
  const bool any = use_final && any_final();
  std::size_t best = kNone;
  float best_cost = kInfinity;
  for (std::size_t i = 0; i < tokens_.count; ++i) {
    const float cost = tokens_.cost[i] + (any ? graph_->final(tokens_.state[i]) : 0.0f);
    if (cost < best_cost) best_cost = cost, best = i;
  }
  return best;
}

template <class Graph>
BestPath BestPathSearch<Graph>::best_path(bool use_final) const {
  BestPath path;
  const std::size_t best = best_token(use_final);
  if (best == kNone) return path;
  path.found = true;
  if (use_final && any_final()) path.final_cost = graph_->final(tokens_.state[best]);
  Trace trace{tokens_.back[best], tokens_.arc[best], tokens_.cost[best], offset_};
  while (trace.before != kNone) {
    const Trace& before = traces_[trace.before];
    const Label input = graph_->input_label(trace.arc);
    const float graph = graph_->cost(trace.arc);
    const float acoustic = input == 0 ? 0.0f : trace.cost - before.cost - graph - trace.offset;
    path.arcs.push_back({input, graph_->output_label(trace.arc), {graph, acoustic}});
    trace = before;
  }
  std::reverse(path.arcs.begin(), path.arcs.end());
  return path;
}

template <class Graph>
std::int64_t BestPathSearch<Graph>::trailing(std::span<const std::uint8_t> silent, bool use_final) const {
  const std::size_t best = best_token(use_final);
  if (best == kNone) return 0;
  std::int64_t count = 0;
  std::uint32_t before = tokens_.back[best], arc = tokens_.arc[best];
  while (before != kNone) {
    const Label label = graph_->input_label(arc);
    if (label != 0) {
      if (std::size_t(label) >= silent.size() || !silent[label]) break;
      ++count;
    }
    arc = traces_[before].arc;
    before = traces_[before].before;
  }
  return count;
}

template class BestPathSearch<SearchGraph>;
template class BestPathSearch<DynamicGraph>;

}  // namespace sonant

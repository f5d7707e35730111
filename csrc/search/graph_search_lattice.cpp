#include "search/graph_search_lattice.h"

#include "search/dynamic_graph.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sonant {

void check_options(const GraphSearchOptions& options, float scale) {
  const auto expect = [](bool right, const char* name, auto found, const char* expected) {
    if (!right) throw SearchError(std::string(name) + "=" + std::to_string(found) + "; expected " + expected);
  };
  expect(options.beam > 0, "beam", options.beam, "a positive number");
  expect(options.lattice_beam > 0, "lattice_beam", options.lattice_beam, "a positive number");
  expect(options.max_active > 1, "max_active", options.max_active, "2 or more");
  expect(options.min_active >= 0, "min_active", options.min_active, "0 or more");
  expect(options.min_active <= options.max_active, "min_active", options.min_active, "at most max_active");
  expect(options.prune_interval > 0, "prune_interval", options.prune_interval, "1 or more");
  expect(options.beam_delta > 0, "beam_delta", options.beam_delta, "a positive number");
  expect(options.hash_ratio >= 1 && options.hash_ratio <= 1000, "hash_ratio", options.hash_ratio, "1 to 1000");
  expect(options.prune_scale > 0 && options.prune_scale < 1, "prune_scale", options.prune_scale,
         "a number between 0 and 1");
  expect(std::isfinite(scale), "acoustic_scale", scale, "a finite number");
}

void check_scores(const Scores& scores, std::int32_t columns, std::int64_t first_frame) {
  if (scores.tokens < columns) {
    throw SearchError("scores of " + std::to_string(scores.tokens) + " columns, but the graph reads column " +
                      std::to_string(columns - 1) + "; expected the scores and the table of columns of one model");
  }
  const std::int64_t bad = first_bad_score(scores);
  if (bad < 0) return;
  throw SearchError(bad_score_message("frame " + std::to_string(first_frame + bad / scores.tokens) + ", column " +
                                          std::to_string(bad % scores.tokens),
                                      scores.data[bad]));
}

template <class Graph>
LatticeSearch<Graph>::LatticeSearch(std::shared_ptr<typename Graph::Shared> graph, const GraphSearchOptions& options,
                                    float scale)
    : graph_(std::move(graph)),
      options_(options),
      scale_(scale),
      work_("search", Bounds{}, sizeof(Links) + 4 * sizeof(float), sizeof(Link)) {
  check_options(options, scale);
  if constexpr (Graph::grows) {
    if (graph_->older_rules()) options_.min_active = 0;
  }
  work_.what = "a graph of " + std::to_string(graph_->num_states()) + " states";
  numbers_.resize(graph_->num_states());
  frames_.push_back(take_frame());
  Frame& first = frames_.back();
  first.room_for_tokens(1);
  const StateId start = graph_->start();
  first.cost[0] = 0;
  first.state[0] = start;
  first.back[0] = kNone;
  first.links[0] = {};
  first.count = 1;
  numbers_[start] = 0;
  order_.reset();
  order_.set({first.state.data(), 1}, *graph_);
  make_room(queue_, 1);
  queued_ = graph_->epsilons(start).empty() ? 0 : 1;
  queue_[0] = 0;
  num_tokens_ = 1;
  follow_epsilons(first, options_.beam);
}

// A frame without tokens, in blocks that served before if there are any.
template <class Graph>
typename LatticeSearch<Graph>::Frame LatticeSearch<Graph>::take_frame() {
  if (spare_.empty()) return {};
  Frame frame = std::move(spare_.back());
  spare_.pop_back();
  return frame;
}

template <class Graph>
void LatticeSearch<Graph>::give_back(Frame& frame) {
  frame.count = frame.num_links = 0;
  frame.extra.clear();
  frame.prune_links = frame.prune_tokens = true;
  spare_.push_back(std::move(frame));
}

template <class Graph>
void LatticeSearch<Graph>::advance(const Scores& scores) {
  if (finished_) throw SearchError("this search has been finished; start another one for more frames");
  check_scores(scores, graph_->num_columns(), frames());
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    if (frames() % options_.prune_interval == 0) prune_active(options_.lattice_beam * options_.prune_scale);
    frame(scores.row(i), static_cast<std::int32_t>(scores.tokens));
  }
}

template <class Graph>
void LatticeSearch<Graph>::frame(const float* scores, std::int32_t columns) {
  if constexpr (Graph::grows) graph_->settle();
  const std::size_t links = frames_.back().num_links, tokens = num_tokens_, total = num_links_;
  const std::size_t buckets = order_.buckets();
  frames_.push_back(take_frame());
  try {
    emit(frames_[frames_.size() - 2], frames_.back(), scores, columns);
  } catch (...) {  // of a graph that is made as it is met, or somebody pressed Ctrl-C: all is as before the frame
    give_back(frames_.back());
    frames_.pop_back();
    Frame& last = frames_.back();
    for (std::size_t i = 0; i < last.count; ++i) last.links[i].emitting = {};
    last.num_links = links;
    num_tokens_ = tokens;
    num_links_ = total;
    order_.reset(buckets);
    order_.set({last.state.data(), last.count}, *graph_);
    throw;
  }
  work_.steps(frames_[frames_.size() - 2].num_links);
  work_.made(num_tokens_, num_links_);
}

// The token of the state that an arc leads to, which is made if there is none; it takes over a better cost.
template <class Graph>
typename LatticeSearch<Graph>::Reached LatticeSearch<Graph>::reach(Frame& frame, const SearchArc& arc, float cost,
                                                                   std::uint32_t back) {
  const StateId state = arc.next();
  std::uint32_t& number = numbers_[state];
  const auto count = static_cast<std::uint32_t>(frame.count);
  const bool fresh = number >= count || frame.state[number] != state;
  const std::uint32_t token = fresh ? count : number;
  const float before = fresh ? kInfinity : frame.cost[token];
  const bool better = cost < before;
  frame.cost[token] = better ? cost : before;
  frame.back[token] = better ? back : frame.back[token];
  frame.state[token] = state;
  number = token;
  frame.count += fresh;
  return {token, better};
}

template <class Graph>
void LatticeSearch<Graph>::emit(Frame& from, Frame& to, const float* scores, std::int32_t columns) {
  const std::span<const float> costs(from.cost.data(), from.count);
  FrameCutoff cutoff = find_cutoff_(costs, options_);
  if constexpr (Graph::grows) {
    if (graph_->older_rules()) cutoff.adaptive_beam = std::min(cutoff.adaptive_beam, options_.beam);
  }
  followed_.resize_for_overwrite(from.count + 1);
  std::size_t count = 0;
  for (std::size_t i = 0; i < from.count; ++i) {
    followed_[count] = static_cast<std::uint32_t>(i);
    count += costs[i] <= cutoff.cutoff;
  }
  followed_.resize_for_overwrite(count);
  order_.sort(followed_, from.count);
  order_.expect(from.count, options_.hash_ratio);

  from.offset = count ? -cutoff.best : 0.0f;
  costs_.set(scores, columns, scale_, from.offset);
  // The best token gives a first idea of the next cutoff.
  float limit = kInfinity;
  for (const std::uint32_t token : followed_) {
    if (costs[token] != cutoff.best) continue;
    for (const SearchArc& arc : graph_->emitting(from.state[token])) {
      const float cost = arc.cost + from.offset - scale_ * scores[arc.column] + costs[token];
      limit = std::min(limit, cost + cutoff.adaptive_beam);
    }
    break;
  }

  queued_ = 0;
  constexpr std::size_t kStatesAhead = 16, kArcsAhead = 6;
  batch_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kStatesAhead < count) graph_->prefetch_state(from.state[followed_[i + kStatesAhead]]);
    if (i + kArcsAhead < count) graph_->prefetch_arcs(from.state[followed_[i + kArcsAhead]]);
    const std::uint32_t token = followed_[i];
    const auto arcs = graph_->emitting(from.state[token]);
    batch_.add(token, costs[token], arcs, graph_->first_arc(), costs_.data(), limit);
    if (batch_.full() || i + 1 == count) follow(from, to, limit, cutoff.adaptive_beam);
  }
  std::fill_n(to.links.data(), to.count, Links{});
  num_tokens_ += to.count;
  num_links_ += from.num_links;

  order_.set({to.state.data(), to.count}, *graph_);
  if constexpr (Graph::grows) {
    if (graph_->older_rules() && to.count) {
      limit = *std::min_element(to.cost.begin(), to.cost.begin() + to.count) + options_.beam;
    }
  }
  std::size_t below = 0;
  for (std::size_t i = 0; i < queued_; ++i) {
    queue_[below] = queue_[i];
    below += to.cost[queue_[i]] < limit;
  }
  queue_.resize_for_overwrite(below);
  order_.sort(queue_, to.count);
  queued_ = below;
  follow_epsilons(to, limit);
}

// Second step of a batch: looks destinations up, makes tokens and links. `limit` falls on the way.
template <class Graph>
void LatticeSearch<Graph>::follow(Frame& from, Frame& to, float& limit, float adaptive_beam) {
  if constexpr (Graph::grows) numbers_.resize(graph_->num_states());
  const std::size_t most = batch_.size();
  to.room_for_tokens(to.count + most + 1);
  make_room(from.link, from.num_links + most + 1);
  make_room(queue_, queued_ + most + 1);
  const SearchArc* arcs = graph_->first_arc();
  const auto candidates = batch_.candidates();
  for (const auto& candidate : candidates) numbers_.prefetch_state(arcs[candidate.arc].next());
  std::size_t i = 0, links = from.num_links, queued = queued_;
  float lowest = limit;
  for (const auto& source : batch_.sources()) {
    const std::size_t begin = links;
    const std::uint32_t back = source.token << 1;
    for (; i < source.end; ++i) {
      const float cost = candidates[i].cost;
      if (cost >= lowest) continue;
      lowest = std::min(lowest, cost + adaptive_beam);
      const SearchArc& arc = arcs[candidates[i].arc];
      const std::size_t before = to.count;
      const std::uint32_t token = reach(to, arc, cost, back).token;
      queue_[queued] = token;
      queued += std::size_t(to.count != before) & std::size_t(arc.then_epsilons());
      from.link[links++] = {token, graph_->record(candidates[i].arc), arc.cost, costs_[arc.column]};
    }
    from.links[source.token].emitting = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(links - begin)};
  }
  from.num_links = links;
  queued_ = queued;
  limit = lowest;
  batch_.clear();
}

// Epsilon arcs, from the tokens in queue_, the last one first. A token whose cost has fallen is followed again.
template <class Graph>
void LatticeSearch<Graph>::follow_epsilons(Frame& frame, float cutoff) {
  const std::size_t tokens = frame.count;
  std::size_t queued = queued_, followed = 0;
  while (queued) {
    const std::uint32_t token = queue_[--queued];
    const float cost = frame.cost[token];
    if (cost >= cutoff) continue;
    const auto arcs = graph_->epsilons(frame.state[token]);
    const SearchArc* first_arc = graph_->first_arc();
    if constexpr (Graph::grows) {
      numbers_.resize(graph_->num_states());
      check_rounds(++followed, tokens, frame.count);
    }
    frame.room_for_tokens(frame.count + arcs.size() + 1);
    make_room(frame.link, frame.num_links + arcs.size());
    make_room(queue_, queued + arcs.size());
    Range& range = frame.links[token].epsilon;
    range = {static_cast<std::uint32_t>(frame.num_links), 0};
    for (const SearchArc& arc : arcs) {
      const float sum = cost + arc.cost;
      if (!(sum < cutoff)) continue;
      const std::size_t before = frame.count;
      const Reached reached = reach(frame, arc, sum, token << 1 | 1);
      if (frame.count != before) {
        frame.links[reached.token] = {};
        order_.add(reached.token, arc.next(), *graph_);
      }
      frame.link[frame.num_links++] = {reached.token, graph_->record(&arc - first_arc), arc.cost, 0};
      if (reached.better && arc.then_epsilons()) queue_[queued++] = reached.token;
    }
    range.count = static_cast<std::uint32_t>(frame.num_links) - range.begin;
    work_.steps(arcs.size());
  }
  num_tokens_ += frame.count - tokens;
}

template class LatticeSearch<SearchGraph>;
template class LatticeSearch<DynamicGraph>;

}  // namespace sonant

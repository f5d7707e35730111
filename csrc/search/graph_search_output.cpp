// What a search that keeps a lattice has found: the best path, the raw lattice.
#include <algorithm>

#include "fst/builder.h"
#include "search/dynamic_graph.h"
#include "search/graph_search_lattice.h"

namespace sonant {

template <class Graph>
bool LatticeSearch<Graph>::any_final() const {
  if (finished_) return any_final_;
  const Frame& last = frames_.back();
  for (std::size_t i = 0; i < last.count; ++i) {
    if (graph_->final(last.state[i]) != kInfinity) return true;
  }
  return false;
}

template <class Graph>
float LatticeSearch<Graph>::final_relative_cost() const {
  if (finished_) return relative_cost_;
  const Frame& last = frames_.back();
  float best = kInfinity, best_final = kInfinity;
  for (std::size_t i = 0; i < last.count; ++i) {
    best = std::min(best, last.cost[i]);
    best_final = std::min(best_final, last.cost[i] + graph_->final(last.state[i]));
  }
  return best_final == kInfinity ? kInfinity : best_final - best;
}

// Cost of the best path that ends in a token of the last frame.
template <class Graph>
float LatticeSearch<Graph>::cost_of(const Frame& last, std::size_t token, bool use_final, bool any_final) const {
  return last.cost[token] + (use_final && any_final ? graph_->final(last.state[token]) : 0.0f);
}

// kNone where there is none. Of equals, the one that was made last.
template <class Graph>
std::size_t LatticeSearch<Graph>::best_token(bool use_final) const {
  if (finished_ && !use_final) {
    throw SearchError("the search has been finished with final costs; expected use_final=True");
  }
  const Frame& last = frames_.back();
  const bool any = any_final();
  std::size_t best = kNone;
  float best_cost = kInfinity;
  for (std::size_t i = last.count; i-- > 0;) {
    const float cost = cost_of(last, i, use_final, any);
    if (cost < best_cost) best_cost = cost, best = i;
  }
  return best;
}

// The link of a range to a token that the path back takes.
template <class Graph>
const typename LatticeSearch<Graph>::Link& LatticeSearch<Graph>::link_back(const Frame& from, const Range& range,
                                                                           std::uint32_t token) const {
  const Link* best = nullptr;
  for (std::uint32_t k = range.count; k-- > 0;) {
    const Link& link = from.link[range.begin + k];
    if (link.next == token && (!best || link.graph + link.acoustic < best->graph + best->acoustic)) best = &link;
  }
  if (!best) throw std::logic_error("a token has lost the link that led to it");
  return *best;
}

template <class Graph>
BestPath LatticeSearch<Graph>::best_path(bool use_final) const {
  BestPath path;
  const std::size_t best = best_token(use_final);
  if (best == kNone) return path;
  path.found = true;
  if (use_final && any_final()) path.final_cost = graph_->final(frames_.back().state[best]);
  auto token = static_cast<std::uint32_t>(best);
  for (std::size_t f = frames_.size() - 1;;) {
    const std::uint32_t back = frames_[f].back[token];
    if (back == kNone) break;
    const bool epsilon = back & 1;
    const std::uint32_t before = back >> 1;
    const Frame& from = frames_[epsilon ? f : --f];
    const Links& links = from.links[before];
    const Link& link = link_back(from, epsilon ? links.epsilon : links.emitting, token);
    const float acoustic = epsilon ? 0.0f : link.acoustic - from.offset;
    path.arcs.push_back({graph_->input_label(link.arc), graph_->output_label(link.arc), {link.graph, acoustic}});
    token = before;
  }
  std::reverse(path.arcs.begin(), path.arcs.end());
  return path;
}

template <class Graph>
std::int64_t LatticeSearch<Graph>::trailing(std::span<const std::uint8_t> silent, bool use_final) const {
  const std::size_t best = best_token(use_final);
  std::int64_t count = 0;
  if (best == kNone) return count;
  auto token = static_cast<std::uint32_t>(best);
  for (std::size_t f = frames_.size() - 1;;) {
    const std::uint32_t back = frames_[f].back[token];
    if (back == kNone) return count;
    const std::uint32_t before = back >> 1;
    if (!(back & 1)) {
      const Frame& from = frames_[--f];
      const Label label = graph_->input_label(link_back(from, from.links[before].emitting, token).arc);
      if (std::size_t(label) >= silent.size() || !silent[label]) return count;
      ++count;
    }
    token = before;
  }
}

// Numbers of the kept tokens of a frame from `next` on, so that epsilon links lead to higher ones: a token comes after
// all from which such links lead to it, and otherwise in the order in which they were made.
template <class Graph>
std::vector<StateId> LatticeSearch<Graph>::number_tokens(std::size_t f, const std::vector<char>& kept,
                                                         StateId& next) const {
  const Frame& frame = frames_[f];
  std::vector<StateId> numbers(frame.count, kNoState);
  std::vector<std::uint32_t> incoming(frame.count, 0);
  const auto epsilons_of = [&](std::size_t i) {
    const Range& range = frame.links[i].epsilon;
    return std::span<const Link>(frame.link.data() + range.begin, range.count);
  };
  for (std::size_t i = 0; i < frame.count; ++i) {
    if (!kept[i]) continue;
    for (const Link& link : epsilons_of(i)) ++incoming[link.next];
  }
  std::vector<std::uint32_t> ready;
  std::size_t expected = 0, numbered = 0;
  for (std::size_t i = frame.count; i-- > 0;) {
    expected += kept[i] != 0;
    if (kept[i] && incoming[i] == 0) ready.push_back(static_cast<std::uint32_t>(i));
  }
  while (!ready.empty()) {
    const std::uint32_t token = ready.back();
    ready.pop_back();
    numbers[token] = next++;
    ++numbered;
    for (const Link& link : epsilons_of(token)) {
      if (--incoming[link.next] == 0 && kept[link.next]) ready.push_back(link.next);
    }
  }
  if (numbered != expected) {
    throw SearchError("the lattice has a cycle at frame " + std::to_string(f) +
                      ", because epsilon arcs of the graph form a cycle within the beam; remove the epsilons of the graph "
                      "(rmepsilon), or ask for the best path alone");
  }
  return numbers;
}

template <class Graph>
Fst<LatticeWeight> LatticeSearch<Graph>::raw_lattice(bool use_final, float beam) const {
  if (finished_ && !use_final) {
    throw SearchError("the search has been finished with final costs; expected use_final=True");
  }
  FstBuilder<LatticeWeight> lattice;
  for (const Frame& frame : frames_) {
    if (frame.count == 0) return lattice.finish();
  }
  // What is kept: all, or what can be reached through tokens within the beam.
  const std::size_t last = frames_.size() - 1;
  const bool all = beam == kInfinity;
  std::vector<std::vector<char>> kept(frames_.size());
  const auto good = [&](const Frame& frame, std::size_t i) {
    return i < frame.extra.size() ? frame.extra[i] < beam : 0.0f < beam;
  };
  for (std::size_t f = 0; f <= last; ++f) kept[f].assign(frames_[f].count, all);
  if (!all) {
    const auto start = std::find(frames_[0].back.begin(), frames_[0].back.begin() + frames_[0].count, kNone);
    if (start == frames_[0].back.begin() + frames_[0].count) return lattice.finish();
    kept[0][start - frames_[0].back.begin()] = 1;
    std::vector<std::uint32_t> reached;
    for (std::size_t f = 0; f <= last; ++f) {
      const Frame& frame = frames_[f];
      for (std::size_t i = 0; i < frame.count; ++i) {
        if (kept[f][i]) reached.push_back(static_cast<std::uint32_t>(i));
      }
      while (!reached.empty()) {
        const std::uint32_t token = reached.back();
        reached.pop_back();
        const auto mark = [&](const Range& range, std::size_t g, bool go_on) {
          for (std::uint32_t k = 0; k < range.count; ++k) {
            const std::uint32_t next = frame.link[range.begin + k].next;
            if (!good(frames_[g], next) || kept[g][next]) continue;
            kept[g][next] = 1;
            if (go_on) reached.push_back(next);
          }
        };
        mark(frame.links[token].epsilon, f, true);
        if (f < last) mark(frame.links[token].emitting, f + 1, false);
      }
    }
  }

  const bool any = any_final();
  StateId next = 0;
  std::vector<StateId> numbers = number_tokens(0, kept[0], next), numbers_after;
  std::vector<std::uint32_t> by_number;
  for (std::size_t f = 0; f <= last; ++f) {
    const Frame& frame = frames_[f];
    const StateId begin = next - static_cast<StateId>(std::ranges::count(kept[f], 1));
    by_number.assign(next - begin, 0);
    for (std::size_t i = 0; i < frame.count; ++i) {
      if (kept[f][i]) by_number[numbers[i] - begin] = static_cast<std::uint32_t>(i);
    }
    if (f < last) numbers_after = number_tokens(f + 1, kept[f + 1], next);
    for (const std::uint32_t token : by_number) {
      LatticeWeight final = LatticeWeight::zero();
      if (f == last) {
        const float cost = use_final && any ? graph_->final(frame.state[token]) : 0.0f;
        if (cost != kInfinity) final = {cost, 0};
      }
      lattice.open(final);
      const auto add = [&](const Range& range, const std::vector<StateId>& to, float offset) {
        for (std::uint32_t k = range.count; k-- > 0;) {
          const Link& link = frame.link[range.begin + k];
          if (to[link.next] == kNoState) continue;
          lattice.add({graph_->input_label(link.arc), graph_->output_label(link.arc),
                       {link.graph, link.acoustic - offset}, to[link.next]});
        }
      };
      if (f < last) add(frame.links[token].emitting, numbers_after, frame.offset);
      add(frame.links[token].epsilon, numbers, 0);
    }
    numbers.swap(numbers_after);
  }
  lattice.start = 0;
  return lattice.finish();
}

template float LatticeSearch<SearchGraph>::final_relative_cost() const;
template bool LatticeSearch<SearchGraph>::any_final() const;
template BestPath LatticeSearch<SearchGraph>::best_path(bool) const;
template std::int64_t LatticeSearch<SearchGraph>::trailing(std::span<const std::uint8_t>, bool) const;
template Fst<LatticeWeight> LatticeSearch<SearchGraph>::raw_lattice(bool, float) const;
template float LatticeSearch<DynamicGraph>::final_relative_cost() const;
template bool LatticeSearch<DynamicGraph>::any_final() const;
template BestPath LatticeSearch<DynamicGraph>::best_path(bool) const;
template std::int64_t LatticeSearch<DynamicGraph>::trailing(std::span<const std::uint8_t>, bool) const;
template Fst<LatticeWeight> LatticeSearch<DynamicGraph>::raw_lattice(bool, float) const;

}  // namespace sonant

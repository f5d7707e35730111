// Pruning of the lattice that a search holds: as PruneActiveTokens, PruneForwardLinks, PruneForwardLinksFinal and
// PruneTokensForFrame of Kaldi do, in the same order, so that the same links are left.
#include <cmath>

#include "search/dynamic_graph.h"
#include "search/graph_search_lattice.h"

namespace sonant {

// Drops the links of a range that are too bad; the least extra cost of those that stay.
template <class Graph>
float LatticeSearch<Graph>::keep_links(Frame& frame, Range& range, float cost, const Frame& next, bool& pruned) const {
  Link* const links = frame.link.data() + range.begin;
  const float* const extras = next.extra.data();
  const float* const costs = next.cost.data();
  float least = kInfinity;
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < range.count; ++i) {
    const Link link = links[i];
    const float extra = extras[link.next] + ((cost + link.acoustic + link.graph) - costs[link.next]);
    const bool keep = !(extra > options_.lattice_beam);
    links[kept] = link;
    kept += keep;
    const float positive = extra < 0 ? 0.0f : extra;
    least = keep && positive < least ? positive : least;
  }
  pruned |= kept != range.count;
  range.count = kept;
  return least;
}

template <class Graph>
void LatticeSearch<Graph>::prune_links(std::size_t f, bool& extra_changed, bool& pruned, float delta) {
  Frame& frame = frames_[f];
  const Frame& next = frames_[f + 1];
  bool changed = false;
  const auto visit = [&](std::size_t token) {
    Links& links = frame.links[token];
    float extra = keep_links(frame, links.emitting, frame.cost[token], next, pruned);
    if (links.epsilon.count) {
      extra = std::min(extra, keep_links(frame, links.epsilon, frame.cost[token], frame, pruned));
    }
    changed |= std::fabs(extra - frame.extra[token]) > delta;
    frame.extra[token] = extra;
  };
  if (frame.extra.size() < frame.count) frame.extra.assign(frame.count, 0.0f);
  with_epsilons_.clear();
  for (std::size_t i = frame.count; i-- > 0;) {
    visit(i);
    if (frame.links[i].epsilon.count) with_epsilons_.push_back(static_cast<std::uint32_t>(i));
  }
  extra_changed |= changed;
  while (changed && !with_epsilons_.empty()) {  // only their links lead to tokens that have changed meanwhile
    changed = false;
    for (const std::uint32_t token : with_epsilons_) visit(token);
  }
}

// Drops the tokens of a frame through which nothing good enough goes.
template <class Graph>
void LatticeSearch<Graph>::prune_tokens(std::size_t f) {
  Frame& frame = frames_[f];
  if (frame.extra.size() < frame.count) frame.extra.assign(frame.count, 0.0f);
  make_room(renumbered_, frame.count);
  std::size_t count = 0, links = 0;
  for (std::size_t i = 0; i < frame.count; ++i) {
    const bool kept = frame.extra[i] != kInfinity;
    renumbered_[i] = kept ? static_cast<std::uint32_t>(count) : kNone;
    count += kept;
    links += kept ? frame.links[i].emitting.count + frame.links[i].epsilon.count : 0;
  }
  if (count == frame.count && links == frame.num_links) return;

  Frame small;
  small.offset = frame.offset;
  small.prune_links = frame.prune_links;
  small.prune_tokens = frame.prune_tokens;
  small.count = count;
  small.cost.reserve(count), small.extra.reserve(count), small.state.reserve(count), small.back.reserve(count);
  small.links.reserve(count), small.link.reserve(links);
  const auto renumber_back = [&](std::uint32_t back) { return renumbered_[back >> 1] << 1 | (back & 1); };
  for (std::size_t i = 0; i < frame.count; ++i) {
    if (renumbered_[i] == kNone) continue;
    small.cost.push_back(frame.cost[i]);
    small.extra.push_back(frame.extra[i]);
    small.state.push_back(frame.state[i]);
    const std::uint32_t back = frame.back[i];
    small.back.push_back(back != kNone && (back & 1) ? renumber_back(back) : back);
    Links moved = frame.links[i];
    for (Range* range : {&moved.emitting, &moved.epsilon}) {
      const auto begin = static_cast<std::uint32_t>(small.link.size());
      for (std::uint32_t k = 0; k < range->count; ++k) {
        Link link = frame.link[range->begin + k];
        if (range == &moved.epsilon) link.next = renumbered_[link.next];
        small.link.push_back(link);
      }
      range->begin = begin;
    }
    small.links.push_back(moved);
  }
  small.num_links = small.link.size();
  num_tokens_ -= frame.count - count;
  num_links_ -= frame.num_links - small.num_links;
  if (f > 0) {  // its links have been pruned before, so that all lead to tokens that stay
    Frame& before = frames_[f - 1];
    for (std::size_t i = 0; i < before.count; ++i) {
      const Range& range = before.links[i].emitting;
      for (std::uint32_t k = 0; k < range.count; ++k) {
        Link& link = before.link[range.begin + k];
        link.next = renumbered_[link.next];
      }
    }
  }
  if (f + 1 < frames_.size()) {
    Frame& after = frames_[f + 1];
    for (std::size_t i = 0; i < after.count; ++i) {
      if (!(after.back[i] & 1)) after.back[i] = renumber_back(after.back[i]);
    }
  }
  std::swap(frame, small);
  if (spare_.size() <= static_cast<std::size_t>(options_.prune_interval)) give_back(small);
}

template <class Graph>
void LatticeSearch<Graph>::prune_active(float delta) {
  const std::size_t last = frames_.size() - 1;
  if (frames_[last].extra.size() < frames_[last].count) frames_[last].extra.assign(frames_[last].count, 0.0f);
  for (std::size_t f = last; f-- > 0;) {
    if (frames_[f].prune_links) {
      bool extra_changed = false, pruned = false;
      prune_links(f, extra_changed, pruned, delta);
      if (extra_changed && f > 0) frames_[f - 1].prune_links = true;
      if (pruned) frames_[f].prune_tokens = true;
      frames_[f].prune_links = false;
    }
    if (f + 1 < last && frames_[f + 1].prune_tokens) {
      prune_tokens(f + 1);
      frames_[f + 1].prune_tokens = false;
    }
  }
}

// As prune_links for the last frame, with the final costs.
template <class Graph>
void LatticeSearch<Graph>::prune_last_links() {
  Frame& frame = frames_.back();
  frame.extra.assign(frame.count, 0.0f);
  float best = kInfinity, best_final = kInfinity;
  for (std::size_t i = 0; i < frame.count; ++i) {
    best = std::min(best, frame.cost[i]);
    best_final = std::min(best_final, frame.cost[i] + graph_->final(frame.state[i]));
  }
  any_final_ = any_final();
  relative_cost_ = final_relative_cost();
  const float best_of_all = best_final != kInfinity ? best_final : best;
  bool changed = true, pruned = false;
  while (changed) {
    changed = false;
    for (std::size_t i = frame.count; i-- > 0;) {
      const float final_cost = any_final_ ? graph_->final(frame.state[i]) : 0.0f;
      float extra = frame.cost[i] + final_cost - best_of_all;
      extra = std::min(extra, keep_links(frame, frame.links[i].epsilon, frame.cost[i], frame, pruned));
      if (extra > options_.lattice_beam) extra = kInfinity;
      const float before = frame.extra[i], difference = std::fabs(before - extra);
      if (before != extra && !(difference <= 1e-5f * (std::fabs(before) + std::fabs(extra)))) changed = true;
      if (difference == kInfinity) changed = true;
      frame.extra[i] = extra;
    }
  }
}

template <class Graph>
void LatticeSearch<Graph>::finish() {
  if (finished_) return;
  prune_last_links();
  finished_ = true;
  for (std::size_t f = frames_.size() - 1; f-- > 0;) {
    bool extra_changed = false, pruned = false;
    prune_links(f, extra_changed, pruned, 0.0f);
    prune_tokens(f + 1);
  }
  prune_tokens(0);
  spare_.clear();
}

template void LatticeSearch<SearchGraph>::prune_active(float);
template void LatticeSearch<SearchGraph>::finish();
template void LatticeSearch<DynamicGraph>::prune_active(float);
template void LatticeSearch<DynamicGraph>::finish();

}  // namespace sonant

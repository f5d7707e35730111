#include "search/hypothesis.h"

#include <algorithm>

namespace sonant {

void Hypothesis::append(std::int32_t token, std::int32_t frame, std::int32_t end_frame, float log_prob) {
  tokens.push_back(token);
  frames.push_back(frame);
  end_frames.push_back(end_frame);
  log_probs.push_back(std::min(log_prob, 0.0f));  // networks round to a little above log 1
}

Hypothesis Hypothesis::from(std::int32_t start) const {
  const auto skip = std::min<std::ptrdiff_t>(start, std::ssize(tokens));
  Hypothesis rest;
  rest.tokens.assign(tokens.begin() + skip, tokens.end());
  rest.frames.assign(frames.begin() + skip, frames.end());
  rest.end_frames.assign(end_frames.begin() + skip, end_frames.end());
  rest.log_probs.assign(log_probs.begin() + skip, log_probs.end());
  rest.score = rest.acoustic = score;
  return rest;
}

Prefixes::Prefixes() { nodes_.push_back({kNone, kNone, kNone, 0, kNone, kNone, kNone, kNone}); }

std::int32_t Prefixes::add_child(std::int32_t parent, std::int32_t token, std::int32_t choice) {
  std::int32_t node = free_;
  if (node != kNone) {
    free_ = nodes_[node].next;
  } else {
    node = static_cast<std::int32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  const std::int32_t eldest = nodes_[parent].child;
  nodes_[node] = {parent, token, choice, nodes_[parent].depth + 1, kNone, kNone, eldest, kNone};
  if (eldest != kNone) nodes_[eldest].previous = node;
  nodes_[parent].child = node;
  return node;
}

std::int32_t Prefixes::find_child(std::int32_t parent, std::int32_t token, std::int32_t choice) const {
  std::int32_t node = nodes_[parent].child;
  while (node != kNone && (nodes_[node].token != token || nodes_[node].choice != choice)) node = nodes_[node].next;
  return node;
}

void Prefixes::release(std::int32_t node) {
  while (node != kRoot && nodes_[node].live == kNone && nodes_[node].child == kNone) {
    const Node gone = nodes_[node];
    if (gone.next != kNone) nodes_[gone.next].previous = gone.previous;
    (gone.previous != kNone ? nodes_[gone.previous].next : nodes_[gone.parent].child) = gone.next;
    nodes_[node].next = free_;
    nodes_[node].live = kFree;
    free_ = node;
    node = gone.parent;
  }
}

std::int32_t Prefixes::common_ancestor(std::int32_t a, std::int32_t b) const {
  while (a != b) {
    if (depth(a) < depth(b)) std::swap(a, b);
    a = parent(a);
  }
  return a;
}

bool Prefixes::is_below(std::int32_t node, std::int32_t ancestor) const {
  while (depth(node) > depth(ancestor)) node = parent(node);
  return node == ancestor;
}

std::int32_t Traces::add(std::int32_t previous, std::int32_t frame, std::int32_t end_frame, float log_prob) {
  std::int32_t link = free_;
  if (link != kNone) {
    free_ = links_[link].previous;
  } else {
    link = static_cast<std::int32_t>(links_.size());
    links_.emplace_back();
  }
  links_[link] = {retain(previous), frame, end_frame, 1, log_prob};
  return link;
}

std::int32_t Traces::retain(std::int32_t link) {
  if (link != kNone) ++links_[link].count;
  return link;
}

void Traces::release(std::int32_t link) {
  while (link != kNone && --links_[link].count == 0) {
    const std::int32_t previous = links_[link].previous;
    links_[link].previous = free_;
    free_ = link;
    link = previous;
  }
}

Hypothesis read_hypothesis(const Prefixes& prefixes, const Traces& traces, std::int32_t node, std::int32_t trace,
                           double score, std::int32_t start) {
  const std::int32_t count = std::max(prefixes.depth(node) - start, 0);
  Hypothesis result;
  result.score = result.acoustic = score;
  result.tokens.resize(count);
  result.frames.resize(count);
  result.end_frames.resize(count);
  result.log_probs.resize(count);
  for (std::int32_t i = count; i-- > 0;) {
    const Traces::Link& link = traces[trace];
    result.tokens[i] = prefixes.token(node);
    result.frames[i] = link.frame;
    result.end_frames[i] = link.end_frame;
    result.log_probs[i] = std::min(link.log_prob, 0.0f);
    node = prefixes.parent(node);
    trace = link.previous;
  }
  return result;
}

}  // namespace sonant

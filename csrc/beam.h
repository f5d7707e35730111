// What beam searches share: the best candidates of a frame, and the live hypotheses from frame to frame.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "hypothesis.h"

namespace sonant {

// One way to go on from a live hypothesis: with a token, or as it is.
struct Candidate {
  static constexpr std::int32_t kStay = -1;
  double score;
  std::int32_t source;  // index of the live hypothesis
  std::int32_t token;   // or kStay
  std::int32_t node;    // the node it leads to, Prefixes::kNone if it has none yet
};

// The best `beam` candidates of a frame, found without sorting them all.
class Candidates {
 public:
  explicit Candidates(std::int64_t beam);

  void clear();
  // What a score must exceed to be pushed: once there are `beam` candidates, the worst of the best.
  double threshold() const { return threshold_; }
  void push(const Candidate& candidate);
  // Drops all but the best and raises the threshold; pushing does this by itself now and then.
  void prune();
  std::span<const Candidate> best();  // best first

 private:
  std::size_t beam_;
  double threshold_ = kImpossible;
  std::vector<Candidate> items_;
};

// Live hypotheses, best first, and what they share. A Live has `node`, `total` (its log-probability), `trace()` (of its
// best path), and `retain(Traces&)` and `release(Traces&)` for all the traces it holds.
template <class Live>
struct Beam {
  Prefixes prefixes;
  Traces traces;
  std::vector<Live> live, next;
  Candidates candidates;
  bool impossible = false;  // a frame allowed no hypothesis to go on, and was passed over

  Beam(std::int64_t beam, const Live& root) : candidates(beam) {
    prefixes.set_live(Prefixes::kRoot, 0);
    live.push_back(root);
  }

  // The live hypothesis at the parent of this one, or null: what it says next may grow into this one.
  const Live* parent(const Live& here) const {
    const std::int32_t index = prefixes.live(prefixes.parent(here.node));
    return index == Prefixes::kNone ? nullptr : &live[index];
  }

  // Ends a frame: `next` becomes `live`, and what only the old ones needed goes back to the pools.
  void turn() {
    for (const Live& old : live) {
      old.release(traces);
      prefixes.set_live(old.node, Prefixes::kNone);
    }
    for (std::size_t i = 0; i < next.size(); ++i) prefixes.set_live(next[i].node, static_cast<std::int32_t>(i));
    for (const Live& old : live) prefixes.release(old.node);
    live.swap(next);
  }

  // Drops the hypotheses that do not share the tokens which the best one emitted before this frame.
  void settle(std::int32_t frame) {
    std::int32_t anchor = live.front().node;
    for (std::int32_t trace = live.front().trace(); trace != Traces::kNone && traces[trace].frame >= frame;
         trace = traces[trace].previous) {
      anchor = prefixes.parent(anchor);
    }
    next.clear();
    for (const Live& here : live) {
      if (!prefixes.is_below(here.node, anchor)) continue;
      here.retain(traces);
      next.push_back(here);
    }
    turn();
  }

  std::vector<Hypothesis> hypotheses(std::int64_t nbest, std::int32_t start) const {
    const std::size_t count = std::min(live.size(), static_cast<std::size_t>(nbest));
    std::vector<Hypothesis> result;
    for (std::size_t i = 0; i < count; ++i) {
      const Live& here = live[i];
      result.push_back(read_hypothesis(prefixes, traces, here.node, here.trace(),
                                       impossible ? kImpossible : here.total, start));
    }
    return result;
  }

  // Leading tokens shared by all.
  std::int64_t stable() const {
    std::int32_t shared = live.front().node;
    for (const Live& here : live) shared = prefixes.common_ancestor(shared, here.node);
    return prefixes.depth(shared);
  }

  std::size_t capacity() const { return prefixes.capacity() + traces.capacity(); }
};

}  // namespace sonant

// What beam searches share: the best candidates of a frame, and the live hypotheses from frame to frame.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "search/hypothesis.h"

namespace sonant {

// One way to go on from a live hypothesis: with a token, or as it is.
struct Candidate {
  static constexpr std::int32_t kStay = -1;
  double score;
  std::int32_t source;  // index of the live hypothesis
  std::int32_t token;   // or kStay
  std::int32_t choice;  // of a word that ends with the token
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

// Live hypotheses, best first, and what they share. A Live has `node`, `total` (its log-probability), `context` (of a
// fusion), `trace()` (of its best path), and `retain(Traces&)` and `release(Traces&)` for all the traces it holds.
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

  // The best `nbest`, best first, each from its token number `start` on. With `final` nothing follows: what is pending
  // is given back, and hypotheses in the middle of a word come only where there are no others.
  template <class Fusion>
  std::vector<Hypothesis> hypotheses(Fusion& fusion, std::int64_t nbest, std::int32_t start, bool final) const {
    struct Ended {
      const Live* live;
      typename Fusion::Ending ending;
      double score;
    };
    std::vector<Ended> ended;
    for (const Live& here : live) {
      const auto ending = fusion.end(here.context, final);
      ended.push_back({&here, ending, here.total + ending.score});
    }
    if (final) {
      std::stable_sort(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) {
        return a.ending.complete != b.ending.complete ? a.ending.complete : a.score > b.score;
      });
    }
    std::vector<Hypothesis> result;
    for (const auto& [here, ending, score] : ended) {
      if (result.size() == static_cast<std::size_t>(nbest)) break;
      if (ending.complete != ended.front().ending.complete) break;
      Hypothesis one = read_hypothesis(prefixes, traces, here->node, here->trace(), here->total, start);
      one.score = impossible ? kImpossible : score;
      if (impossible) one.acoustic = kImpossible;
      one.lm = ending.lm;
      one.complete = ending.complete;
      if (fusion.spells()) read_words(fusion, here->node, start, final, one);
      result.push_back(std::move(one));
    }
    return result;
  }

  // Puts the contexts of the hypotheses into a fusion's new hot words.
  template <class Fusion>
  void rejoin(const Fusion& fusion) {
    std::vector<std::int32_t> tokens, choices;
    for (Live& here : live) {
      tokens.clear();
      choices.clear();
      std::int32_t left_tokens = fusion.longest_tokens(), left_words = fusion.longest_words();
      for (std::int32_t node = here.node; node != Prefixes::kRoot && (left_tokens > 0 || left_words > 0);
           node = prefixes.parent(node)) {
        tokens.push_back(prefixes.token(node));
        choices.push_back(prefixes.choice(node));
        --left_tokens;
        left_words -= choices.back() != Prefixes::kNone;
      }
      std::reverse(tokens.begin(), tokens.end());
      std::reverse(choices.begin(), choices.end());
      fusion.rejoin(here.context, tokens, choices);
    }
    std::stable_sort(live.begin(), live.end(), [&](const Live& a, const Live& b) {
      return a.total + fusion.rank(a.context) > b.total + fusion.rank(b.context);
    });
    for (std::size_t i = 0; i < live.size(); ++i) prefixes.set_live(live[i].node, static_cast<std::int32_t>(i));
  }

  // Leading tokens shared by all.
  std::int64_t stable() const {
    std::int32_t shared = live.front().node;
    for (const Live& here : live) shared = prefixes.common_ancestor(shared, here.node);
    return prefixes.depth(shared);
  }

  template <class Fusion>
  void read_words(const Fusion& fusion, std::int32_t node, std::int32_t start, bool final, Hypothesis& one) const {
    std::vector<std::int32_t> tokens, choices;
    std::int32_t skip = 0;  // a word that goes on past `start` is read from its beginning
    for (bool begun = false; node != Prefixes::kRoot; node = prefixes.parent(node)) {
      const bool before = prefixes.depth(node) <= start;
      if (before && begun) break;
      tokens.push_back(prefixes.token(node));
      choices.push_back(prefixes.choice(node));
      begun = fusion.is_beginning(tokens.back());
      skip += before;
    }
    std::reverse(tokens.begin(), tokens.end());
    std::reverse(choices.begin(), choices.end());
    fusion.write_words(tokens, choices, skip, final, one);
  }

  std::size_t capacity() const { return prefixes.capacity() + traces.capacity(); }
};

}  // namespace sonant

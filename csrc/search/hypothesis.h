// Hypotheses that share what they have in common: tokens in a trie, times in back-pointer chains, both from pools
// whose slots are used again, so that hours of audio hold no more than the hypotheses still alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "search/scores.h"

namespace sonant {

struct Hypothesis {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> frames;      // at which each token was emitted
  std::vector<std::int32_t> end_frames;  // exclusive end of each token's evidence
  std::vector<float> log_probs;          // natural log of each token's probability, <= 0
  double score = 0.0;                    // total log-probability, and what a fusion adds to it
  double acoustic = 0.0, lm = 0.0;       // the parts of it: of the network, and of the language model (unweighted)
  std::vector<std::string> words;
  std::vector<std::int32_t> word_ends;  // how many of the tokens come before the end of each word
  bool complete = true;                 // not in the middle of a word of a lexicon

  void append(std::int32_t token, std::int32_t frame, std::int32_t end_frame, float log_prob);
  Hypothesis from(std::int32_t start) const;  // without the first `start` tokens, the score as it is
};

// A trie of sequences of tokens, each with the choice of a word that it ends (or none; see spelling.h). Two hypotheses
// have equal tokens and choices exactly when they are at the same node. A node stays while a live hypothesis is at it or
// below it.
class Prefixes {
 public:
  static constexpr std::int32_t kRoot = 0;
  static constexpr std::int32_t kNone = -1;

  Prefixes();

  std::int32_t parent(std::int32_t node) const { return nodes_[node].parent; }      // of the root: kNone
  std::int32_t token(std::int32_t node) const { return nodes_[node].token; }        // of the root: kNone
  std::int32_t choice(std::int32_t node) const { return nodes_[node].choice; }
  std::int32_t depth(std::int32_t node) const { return nodes_[node].depth; }
  std::int32_t first_child(std::int32_t node) const { return nodes_[node].child; }
  std::int32_t sibling(std::int32_t node) const { return nodes_[node].next; }
  // Index of the live hypothesis at this node (also asked of kNone), or kNone.
  std::int32_t live(std::int32_t node) const { return node == kNone ? kNone : nodes_[node].live; }
  void set_live(std::int32_t node, std::int32_t index) { nodes_[node].live = index; }

  std::int32_t add_child(std::int32_t parent, std::int32_t token, std::int32_t choice);
  std::int32_t find_child(std::int32_t parent, std::int32_t token, std::int32_t choice) const;
  // Gives back the node, and those above it, that no live hypothesis needs. Harmless on a node that went back already
  // with one below it.
  void release(std::int32_t node);
  std::int32_t common_ancestor(std::int32_t a, std::int32_t b) const;
  bool is_below(std::int32_t node, std::int32_t ancestor) const;  // or the same
  std::size_t capacity() const { return nodes_.size(); }

 private:
  static constexpr std::int32_t kFree = -2;  // as `live`
  struct Node {
    std::int32_t parent, token, choice, depth, live, child, next, previous;
  };
  std::vector<Node> nodes_;
  std::int32_t free_ = kNone;  // chained through next
};

// The times of the tokens along the best single path (Viterbi) of a hypothesis: immutable links, counted.
class Traces {
 public:
  static constexpr std::int32_t kNone = -1;
  struct Link {
    std::int32_t previous, frame, end_frame, count;
    float log_prob;
  };

  const Link& operator[](std::int32_t link) const { return links_[link]; }
  // A new link, counted once; it counts `previous` (which may be kNone) once.
  std::int32_t add(std::int32_t previous, std::int32_t frame, std::int32_t end_frame, float log_prob);
  std::int32_t retain(std::int32_t link);
  void release(std::int32_t link);
  std::size_t capacity() const { return links_.size(); }

 private:
  std::vector<Link> links_;
  std::int32_t free_ = kNone;  // chained through previous
};

// The hypothesis at a node with the times of a chain, from its token number `start` on.
Hypothesis read_hypothesis(const Prefixes& prefixes, const Traces& traces, std::int32_t node, std::int32_t trace,
                           double score, std::int32_t start);

}  // namespace sonant

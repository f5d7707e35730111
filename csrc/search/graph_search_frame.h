// The tokens of one frame as a search fills them, the arcs that may lead to the next frame, and the order in which Kaldi
// would look at tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "search/graph_search.h"
#include "search/search_graph.h"

namespace sonant {

// Columns with room for more than there is, so that filling them needs no checks.
template <class T>
void make_room(Array<T>& column, std::size_t count) {
  if (column.size() < count) column.resize_for_overwrite(std::max(count, 2 * column.size()));
}

// What is found of the arcs of a batch of tokens before their destinations are looked up: those within the limit, that
// is. Two steps, for then neither waits for memory and few branches are in doubt.
class ArcBatch {
 public:
  struct Candidate {
    float cost;
    std::uint32_t arc;
  };
  struct Source {
    std::uint32_t token;
    std::uint32_t end;  // of its candidates
  };
  static constexpr std::size_t kEnough = 192;

  void clear() { count_ = sources_ = 0; }
  bool full() const { return count_ >= kEnough || sources_ >= kEnough; }
  std::size_t size() const { return count_; }
  // Costs are summed as Kaldi sums them: (token + acoustic) + graph.
  void add(std::uint32_t token, float cost, std::span<const SearchArc> arcs, const SearchArc* first_arc,
           const float* acoustic, float limit) {
    make_room(candidates_, count_ + arcs.size() + 1);
    make_room(from_, sources_ + 1);
    Candidate* out = candidates_.data() + count_;
    auto number = static_cast<std::uint32_t>(arcs.data() - first_arc);
    for (const SearchArc& arc : arcs) {
      const float sum = cost + acoustic[arc.column] + arc.cost;
      *out = {sum, number++};
      out += sum < limit;
    }
    count_ = out - candidates_.data();
    from_[sources_++] = {token, static_cast<std::uint32_t>(count_)};
  }
  std::span<const Candidate> candidates() const { return {candidates_.data(), count_}; }
  std::span<const Source> sources() const { return {from_.data(), sources_}; }

 private:
  Array<Candidate> candidates_;
  Array<Source> from_;
  std::size_t count_ = 0, sources_ = 0;
};

// Kaldi looks at the tokens of a frame in the order of its hash list: buckets (state modulo their number) in the order in
// which they were first used, tokens of one bucket in the order in which they came. The cutoff of the next frame falls as
// tokens are followed, so what comes out depends on it a little.
class HashListOrder {
 public:
  static constexpr std::size_t kFirstBuckets = 1000;

  void reset(std::size_t buckets = kFirstBuckets) { buckets_ = buckets; }
  std::size_t buckets() const { return buckets_; }
  // Kaldi's PossiblyResizeHash.
  void expect(std::size_t tokens, float hash_ratio) {
    buckets_ = std::max(buckets_, static_cast<std::size_t>(static_cast<float>(tokens) * hash_ratio));
  }
  // The tokens of a new frame, in the order in which they came.
  void set(std::span<const StateId> states) {
    make_room(first_, buckets_);
    make_room(bucket_, states.size());
    const double inverse = 1.0 / double(buckets_);
    const auto buckets = static_cast<std::int64_t>(buckets_);
    for (std::size_t i = 0; i < states.size(); ++i) {
      const std::int64_t rest = states[i] - static_cast<std::int64_t>(double(states[i]) * inverse) * buckets;
      bucket_[i] = static_cast<std::uint32_t>(rest < 0 ? rest + buckets : rest >= buckets ? rest - buckets : rest);
    }
    for (std::size_t i = states.size(); i-- > 0;) first_[bucket_[i]] = static_cast<std::uint32_t>(i);
  }
  // The same of a graph that grows, by the keys that it gives its states.
  template <class Graph>
  void set(std::span<const StateId> states, const Graph& graph) {
    if constexpr (!Graph::grows) {
      set(states);
    } else {
      make_room(first_, buckets_);
      make_room(bucket_, states.size());
      for (std::size_t i = states.size(); i-- > 0;) {
        bucket_[i] = static_cast<std::uint32_t>(graph.order_key(states[i]) % buckets_);
        first_[bucket_[i]] = static_cast<std::uint32_t>(i);
      }
    }
  }
  // One more token.
  template <class Graph>
  void add(std::uint32_t token, StateId state, const Graph& graph) {
    std::uint64_t key = std::uint64_t(state);
    if constexpr (Graph::grows) key = graph.order_key(state);
    make_room(bucket_, token + 1);
    const auto bucket = static_cast<std::uint32_t>(key % buckets_);
    const std::uint32_t first = first_[bucket];
    if (first >= token || bucket_[first] != bucket) first_[bucket] = token;
    bucket_[token] = bucket;
  }
  // Some of `count` tokens, which come in ascending order, into Kaldi's order.
  void sort(Array<std::uint32_t>& tokens, std::size_t count) {
    marks_.assign(count, 0);
    make_room(chain_, count);
    for (const std::uint32_t token : tokens) {
      const std::uint32_t first = first_[bucket_[token]];
      if (first == token) {
        marks_[token] |= kItself;
        continue;
      }
      Chain& chain = chain_[first];
      if (marks_[first] & kOthers) {
        chain_[chain.last].next = token;
      } else {
        marks_[first] |= kOthers;
        chain.first = token;
      }
      chain.last = token;
    }
    make_room(heads_, count + 1);
    std::size_t heads = 0;
    for (std::size_t i = 0; i < count; ++i) {
      heads_[heads] = static_cast<std::uint32_t>(i);
      heads += marks_[i] != 0;
    }
    std::size_t placed = 0;
    for (std::size_t h = 0; h < heads; ++h) {
      const std::uint32_t head = heads_[h];
      if (marks_[head] & kItself) tokens[placed++] = head;
      if (!(marks_[head] & kOthers)) continue;
      for (std::uint32_t token = chain_[head].first;; token = chain_[token].next) {
        tokens[placed++] = token;
        if (token == chain_[head].last) break;
      }
    }
  }

 private:
  static constexpr char kItself = 1, kOthers = 2;
  struct Chain {
    std::uint32_t first, last;  // of those that follow the first of a bucket
    std::uint32_t next;         // after this token
  };

  std::size_t buckets_ = kFirstBuckets;
  Array<std::uint32_t> first_;   // token of each bucket; holds if the token is of this frame and bucket
  Array<std::uint32_t> bucket_;  // of each token
  Array<char> marks_;
  Array<Chain> chain_;
  Array<std::uint32_t> heads_;
};

}  // namespace sonant

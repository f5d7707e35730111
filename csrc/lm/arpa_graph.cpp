#include "lm/arpa_graph.h"

#include <algorithm>

#include "fst/builder.h"
#include "fst/epsilon.h"
#include "pair_map.h"

namespace sonant {

namespace {

using Weight = TropicalWeight;
using GArc = Arc<Weight>;

// Word sequences as nodes of a tree; some of them are histories and have a state.
class Histories {
 public:
  static constexpr std::int32_t kNone = PairMap::kNone;

  Histories() : state_(1, kNoState) {}

  StateId& state(std::int32_t node) { return state_[node]; }
  std::int32_t child(std::int32_t node, Label word) const {
    if (node == 0 && word < kDense) return std::size_t(word) < unigrams_.size() ? unigrams_[word] : kNone;
    return children_.find(node, word);
  }
  std::int32_t add_child(std::int32_t node, Label word) {
    const auto next = static_cast<std::int32_t>(state_.size());
    std::int32_t found;
    if (node == 0 && word < kDense) {
      if (std::size_t(word) >= unigrams_.size()) {
        unigrams_.resize(std::max<std::size_t>(word + 1, 2 * unigrams_.size()), kNone);
      }
      found = unigrams_[word] == kNone ? unigrams_[word] = next : unigrams_[word];
    } else {
      found = children_.put(node, word, next);
    }
    if (found == next) {
      if (state_.size() == kMostStates) fst_error("more than ", kMostStates, " histories");
      state_.push_back(kNoState);
    }
    return found;
  }

 private:
  static constexpr Label kDense = 1 << 22;
  std::vector<std::int32_t> unigrams_;
  PairMap children_;
  std::vector<StateId> state_;
};

// Follows a sequence from the root, and remembers the way: neighbours in a file share most of theirs.
class Walk {
 public:
  // The node of the sequence, or kNone.
  std::int32_t find(const Histories& histories, std::span<const std::int32_t> words) {
    std::size_t depth = shared(words);
    while (depth < words.size()) {
      const std::int32_t node = histories.child(nodes_[depth], words[depth]);
      if (node == Histories::kNone) return node;
      push(depth++, words, node);
    }
    return nodes_[depth];
  }
  std::int32_t add(Histories& histories, std::span<const std::int32_t> words) {
    for (std::size_t depth = shared(words); depth < words.size(); ++depth) {
      push(depth, words, histories.add_child(nodes_[depth], words[depth]));
    }
    return nodes_[words.size()];
  }

 private:
  std::size_t shared(std::span<const std::int32_t> words) {
    const auto [a, b] = std::mismatch(words.begin(), words.end(), words_.begin(), words_.end());
    return a - words.begin();
  }
  void push(std::size_t depth, std::span<const std::int32_t> words, std::int32_t node) {
    words_.resize(depth);
    nodes_.resize(depth + 1);
    words_.push_back(words[depth]);
    nodes_.push_back(node);
  }

  std::vector<std::int32_t> words_, nodes_ = {0};
};

class GraphSink : public ArpaSink {
 public:
  GraphSink(const ArpaOptions& options, Label backoff) : options_(options), backoff_(backoff) {
    histories_.state(0) = add_state();
    if (backoff_ == 0) {
      end_ = add_state();
      finals_[end_] = Weight::one();
    }
  }

  void begin(std::span<const std::int64_t> counts) override { order_ = counts.size(); }

  const char* take(const ArpaNgram& ngram) override {
    const auto words = ngram.words;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i > 0 && words[i] == options_.bos) return "<s> is not its first word";
      if (i + 1 < words.size() && words[i] == options_.eos) return "</s> is not its last word";
    }
    const std::int32_t heads = heads_.find(histories_, words.first(words.size() - 1));
    StateId source = heads == Histories::kNone ? kNoState : histories_.state(heads);
    if (source == kNoState) return "its first words are no n-gram";
    const Label word = words.back();
    if (backoff_ != 0 && word == backoff_) fst_error("the backoff symbol ", backoff_, " is a word of the model");
    float weight = -natural(ngram.logprob);
    StateId to;
    if (word == options_.eos) {
      if (backoff_ != 0) {
        finals_[source] = {weight};
        return nullptr;
      }
      to = end_;
    } else {
      to = history(heads, words, -natural(ngram.backoff));
    }
    if (word == options_.bos) {
      weight = 0;
      if (backoff_ != 0) {
        start_ = to;
        return nullptr;
      }
      source = start_ = add_state();
    }
    add_arc(source, {word, word, {weight}, to});
    return nullptr;
  }

  void end() override {
    if (start_ == kNoState) fst_error("the model has no n-gram <s> (symbol ", options_.bos, ")");
  }

  Fst<Weight> finish() {
    const std::size_t n = finals_.size();
    FstBuilder<Weight> graph;
    graph.start = start_;
    graph.states.resize(n);
    for (std::size_t s = 0; s < n; ++s) graph.states[s].final = finals_[s];
    for (const StateId s : sources_) ++graph.states[s].arcs;
    graph.arcs.resize_for_overwrite(arcs_.size());
    std::vector<std::uint32_t> next(n);
    graph.view();
    for (std::size_t s = 0; s < n; ++s) next[s] = graph.states[s].begin;
    for (std::size_t i = 0; i < arcs_.size(); ++i) graph.arcs[next[sources_[i]]++] = arcs_[i];
    arcs_ = {};
    sources_ = {};
    histories_ = {};
    return backoff_ != 0 ? reduced(std::move(graph)) : graph.finish();
  }

 private:
  StateId add_state() {
    if (finals_.size() == kMostStates) fst_error("more than ", kMostStates, " states");
    finals_.push_back(Weight::zero());
    return static_cast<StateId>(finals_.size() - 1);
  }

  void add_arc(StateId source, const GArc& arc) {
    if (arcs_.size() == kMostArcs) fst_error("more than ", kMostArcs, " arcs");
    sources_.push_back(source);
    arcs_.push_back(arc);
  }

  // The state where an n-gram leads: of its words, or without the first where it is of the highest order.
  StateId history(std::int32_t heads, std::span<const std::int32_t> words, float weight) {
    std::int32_t node;
    if (words.size() == order_) {
      if (words.size() == 1) return histories_.state(0);
      node = tails_.add(histories_, words.subspan(1, words.size() - 2));
      words = words.subspan(1);
      node = histories_.add_child(node, words.back());
    } else {
      node = histories_.add_child(heads, words.back());
    }
    if (const StateId known = histories_.state(node); known != kNoState) return known;
    const StateId made = add_state();
    histories_.state(node) = made;
    // To the longest end of it that is a history.
    StateId to = kNoState;
    for (auto rest = words.subspan(1); to == kNoState; rest = rest.subspan(1)) {
      if (rest.empty()) {
        to = histories_.state(0);
        break;
      }
      const std::int32_t before = tails_.find(histories_, rest.first(rest.size() - 1));
      const std::int32_t found = before == Histories::kNone ? before : histories_.child(before, rest.back());
      if (found != Histories::kNone) to = histories_.state(found);
    }
    add_arc(made, {backoff_, 0, {weight}, to});
    return made;
  }

  // Kaldi's RemoveRedundantStates: what there is but one way out of goes.
  Fst<Weight> reduced(FstBuilder<Weight> graph) const {
    const View<Weight> view = graph.view();
    for (StateId s = 0; s < StateId(view.num_states); ++s) {
      const State<Weight>& state = view.states[s];
      GArc& first = graph.arcs[state.begin];
      if (state.arcs == 1 && is_zero(Weight(state.final)) && first.ilabel == backoff_) first.ilabel = 0;
    }
    return remove_epsilons_locally(graph.finish());
  }

  const ArpaOptions& options_;
  const Label backoff_;
  std::size_t order_ = 0;
  StateId start_ = kNoState, end_ = kNoState;
  Histories histories_;
  Walk heads_, tails_;
  std::vector<Weight> finals_;
  Array<StateId> sources_;
  Array<GArc> arcs_;
};

}  // namespace

ArpaGraph arpa_to_fst(Input& in, WordTable* words, const ArpaOptions& options, Label backoff) {
  if (backoff < 0) fst_error("the backoff symbol is ", backoff, "; expected 0 (none) or more");
  GraphSink sink(options, backoff);
  ArpaWarnings warnings = read_arpa(in, words, options, sink);
  return {sink.finish(), std::move(warnings)};
}

}  // namespace sonant

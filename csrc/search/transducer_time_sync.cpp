#include "search/transducer_time_sync.h"

#include <algorithm>
#include <functional>

namespace sonant {

template <class Fusion>
TransducerTimeSync<Fusion>::TransducerTimeSync(std::int64_t beam, std::int64_t context_size, std::int32_t blank,
                                               std::int64_t max_symbols, std::int32_t settle_after, Fusion fusion)
    : TransducerSearch(context_size, blank), fusion_(std::move(fusion)), max_symbols_(max_symbols),
      settle_after_(settle_after), width_(beam),
      beam_(beam, {Prefixes::kRoot, Prefixes::kNone, 0.0, 0.0, Traces::kNone, fusion_.start()}) {
  if (max_symbols < 1) {
    throw SearchError("max_symbols: found " + std::to_string(max_symbols) + ", expected 1 or more");
  }
  begin_frame();
}

template <class Fusion>
void TransducerTimeSync<Fusion>::check(const Scores& scores) {
  if (vocabulary_.size() == 0) fusion_.expect(scores.tokens, vocabulary_.blank());
  TransducerSearch::check(scores);
}

template <class Fusion>
void TransducerTimeSync<Fusion>::set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words) {
  if (round_ > 0) {
    throw SearchError("hot words: found a search within frame " + std::to_string(frame_) +
                      "; expected one between frames: advance until it returns True");
  }
  fusion_.set_hot_words(tokens, words, vocabulary_.size(), vocabulary_.blank());
  if constexpr (!Fusion::kNone) {
    beam_.rejoin(fusion_);
    for (const Live& old : here_) old.release(beam_.traces);
    begin_frame();
  }
}

template <class Fusion>
void TransducerTimeSync<Fusion>::write_contexts(std::int64_t* out) const {
  for (const Live& here : here_) {
    std::int32_t node = here.node;
    for (std::int64_t i = context_size_; i-- > 0;) {
      out[i] = node == Prefixes::kRoot ? vocabulary_.blank() : beam_.prefixes.token(node);
      if (node != Prefixes::kRoot) node = beam_.prefixes.parent(node);
    }
    out += context_size_;
  }
}

template <class Fusion>
void TransducerTimeSync<Fusion>::begin_frame() {
  here_ = beam_.live;
  for (const Live& here : here_) here.retain(beam_.traces);
  ended_.clear();
  end_of_.clear();
  round_ = 0;
}

template <class Fusion>
bool TransducerTimeSync<Fusion>::advance(const Scores& scores) {
  for (std::size_t i = 0; i < here_.size(); ++i) end_by_blank(here_[i], scores.row(i)[vocabulary_.blank()]);
  beam_.candidates.clear();
  if (round_ < max_symbols_) find_continuations(scores);
  std::vector<Live> next;
  for (const Candidate& candidate : beam_.candidates.best()) {
    const Live& from = here_[candidate.source];
    const float log_prob = scores.row(candidate.source)[candidate.token];
    const std::int32_t node = candidate.node != Prefixes::kNone
                                  ? candidate.node
                                  : beam_.prefixes.add_child(from.node, candidate.token, candidate.choice);
    next.push_back({node, candidate.token, from.total + log_prob, from.best + log_prob,
                    beam_.traces.add(from.times, frame_, frame_ + 1, log_prob),
                    fusion_.grow(from.context, candidate.token, candidate.choice)});
  }
  for (const Live& old : here_) old.release(beam_.traces);
  here_.swap(next);
  ++round_;
  if (!here_.empty()) return false;
  end_frame();
  return true;
}

// A node that has ended is marked as live, so that it stays, whatever becomes of those below it.
template <class Fusion>
void TransducerTimeSync<Fusion>::end_by_blank(const Live& here, float log_prob) {
  const auto [place, is_new] = end_of_.try_emplace(here.node, ended_.size());
  const double total = here.total + log_prob, best = here.best + log_prob;
  if (is_new) {
    ended_.push_back({here.node, here.token, total, best, beam_.traces.retain(here.times), here.context});
    beam_.prefixes.set_live(here.node, static_cast<std::int32_t>(place->second));
    return;
  }
  Live& there = ended_[place->second];
  there.total = log_add(there.total, total);
  if (best > there.best) {
    there.best = best;
    beam_.traces.release(there.times);
    there.times = beam_.traces.retain(here.times);
  }
}

template <class Fusion>
void TransducerTimeSync<Fusion>::find_continuations(const Scores& scores) {
  const std::int32_t blank = vocabulary_.blank();
  for (std::size_t i = 0; i < here_.size(); ++i) {
    const Live& here = here_[i];
    const float* row = scores.row(i);
    const auto push = [&](std::int32_t token, std::int32_t choice, double rank) {
      const double score = here.total + row[token] + rank;
      if (!(score > beam_.candidates.threshold())) return;
      beam_.candidates.push({score, static_cast<std::int32_t>(i), token, choice,
                             beam_.prefixes.find_child(here.node, token, choice)});
    };
    const double most = here.total + fusion_.base(here.context) + fusion_.most();
    const auto worth = [&](std::int32_t token) { return most + row[token] > beam_.candidates.threshold(); };
    tokens_.clear();
    for (std::int32_t token = 0; token < static_cast<std::int32_t>(scores.tokens); ++token) {
      if (token == blank || !worth(token)) continue;
      if constexpr (Fusion::kNone) {
        push(token, Spelling::kNoWord, 0.0);
      } else {
        tokens_.push_back(token);
      }
    }
    if constexpr (!Fusion::kNone) {
      std::ranges::stable_sort(tokens_, std::greater{}, [row](std::int32_t token) { return row[token]; });
      fusion_.each(here.context, tokens_, worth, push);
    }
  }
}

template <class Fusion>
void TransducerTimeSync<Fusion>::end_frame() {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    if (ended_[i].total > kImpossible) order.emplace_back(ended_[i].total + fusion_.rank(ended_[i].context), i);
  }
  std::ranges::stable_sort(order, std::greater{}, [](const auto& one) { return one.first; });
  if (order.size() > static_cast<std::size_t>(width_)) order.resize(static_cast<std::size_t>(width_));
  const std::vector<Live> before = beam_.live;
  for (const Live& one : ended_) beam_.prefixes.set_live(one.node, Prefixes::kNone);
  beam_.next.clear();
  if (order.empty()) {  // only where no hypothesis can go on: pass over the frame, and say so in the score
    beam_.impossible = true;
    beam_.next = before;
    for (const Live& here : beam_.next) here.retain(beam_.traces);
  }
  for (const auto& [score, i] : order) {
    beam_.next.push_back(ended_[i]);
    ended_[i].retain(beam_.traces);
  }
  beam_.turn();
  for (const Live& one : ended_) {
    one.release(beam_.traces);
    beam_.prefixes.release(one.node);
  }
  ++frame_;
  if (settle_after_ > 0 && frame_ % settle_after_ == 0) beam_.settle(frame_ - settle_after_);
  begin_frame();
}

template class TransducerTimeSync<NoFusion>;
template class TransducerTimeSync<Fusion>;

}  // namespace sonant

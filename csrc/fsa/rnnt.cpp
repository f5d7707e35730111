#include "fsa/rnnt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fst/error.h"

namespace sonant {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

std::int64_t power(std::int64_t x, std::int32_t n) {
  std::int64_t result = 1;
  while (n-- > 0) result *= x;
  return result;
}

// Which of the best scores stay: those that are at least the highest less the beam, at most `most` of them, the best; of
// equal ones the first.
std::vector<char> within(const std::vector<double>& best, double beam, std::int64_t most) {
  const double highest = best.empty() ? kNone : *std::ranges::max_element(best);
  std::vector<char> stays(best.size());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < best.size(); ++i) count += stays[i] = best[i] >= highest - beam;
  if (count <= most) return stays;
  std::vector<std::int32_t> order(best.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int32_t i) { return best[std::size_t(i)]; });
  for (std::size_t i = std::size_t(most); i < order.size(); ++i) stays[std::size_t(order[i])] = 0;
  return stays;
}

}  // namespace

RnntGraph::RnntGraph(std::span<const std::int32_t> a, std::span<const std::int32_t> splits, std::span<const float> s)
    : arcs(a.begin(), a.end()), state_splits(splits.begin(), splits.end()), scores(s.begin(), s.end()) {
  const std::int32_t fsa_splits[] = {0, states()};
  FsaGraphs{arcs, state_splits, fsa_splits}.check("RnntDecodingStream");
  if (states() < 2) fst_error("RnntDecodingStream: a graph of ", states(), " states, expected a start and a final state");
  for (std::size_t i = 0; i < scores.size(); ++i) {
    highest_label = std::max(highest_label, arcs[4 * i + 2]);
    if (std::isnan(scores[i]) || scores[i] == std::numeric_limits<float>::infinity()) {
      fst_error("RnntDecodingStream: the score of arc ", i, " is ", scores[i], ", expected a number or -inf");
    }
  }
}

void RnntGraph::check(const RnntConfig& config) const {
  if (highest_label >= config.vocab_size) {
    fst_error("RnntDecodingStreams: label ", highest_label, " in a graph, and vocab_size=", config.vocab_size,
              ", expected labels below it");
  }
  if (config.history * std::log2(double(config.vocab_size)) + std::log2(double(states())) >= 63) {
    fst_error("RnntDecodingStreams: ", config.vocab_size, " symbols, decoder_history_len=", config.history, " and ", states(),
              " states of a graph make more than 2^63 states; a shorter history is needed");
  }
}

RnntStream::RnntStream(std::shared_ptr<const RnntGraph> graph) : graph_(std::move(graph)) {}

std::size_t RnntStream::contexts(const RnntConfig& config, std::vector<std::int32_t>& symbols) const {
  std::size_t count = 0;
  std::int64_t last = -1;
  for (const std::int64_t key : keys_) {
    std::int64_t context = key / graph_->states();
    if (context == last) continue;
    last = context;
    ++count;
    symbols.resize(symbols.size() + std::size_t(config.history));
    for (auto symbol = symbols.rbegin(); symbol != symbols.rbegin() + config.history; ++symbol) {
      *symbol = std::int32_t(context % config.vocab_size);
      context /= config.vocab_size;
    }
  }
  return count;
}

void RnntStream::advance(const RnntConfig& config, const float* rows) {
  struct Step {
    std::int64_t key;
    double end;
    RnntArc arc;
  };
  const std::int32_t states = graph_->states();
  const std::int64_t kept_history = power(config.vocab_size, config.history - 1);
  const double cutoff = (scores_.empty() ? kNone : *std::ranges::max_element(scores_)) - config.beam;
  std::vector<Step> steps;
  const float* row = rows;
  for (std::size_t n = 0; n < keys_.size(); ++n) {
    const std::int64_t context = keys_[n] / states;
    if (n > 0 && context != keys_[n - 1] / states) row += config.vocab_size;
    if (n == 0 || context != keys_[n - 1] / states) {
      for (std::int32_t symbol = 0; symbol < config.vocab_size; ++symbol) {
        if (std::isnan(row[symbol]) || row[symbol] == std::numeric_limits<float>::infinity()) {
          fst_error("RnntDecodingStreams.advance: the log-probability of symbol ", symbol, " is ", row[symbol],
                    " for some context, expected a number or -inf");
        }
      }
    }
    const auto state = std::int32_t(keys_[n] % states);
    if (state == states - 1) continue;
    const auto from = std::int32_t(n);
    steps.push_back({keys_[n], scores_[n] + row[0], {from, 0, -1, 0, row[0]}});
    for (std::int32_t a = graph_->state_splits[state]; a < graph_->state_splits[state + 1]; ++a) {
      const std::int32_t to = graph_->arcs[4 * std::size_t(a) + 1], label = graph_->arcs[4 * std::size_t(a) + 2];
      const double score = double(graph_->scores[a]) + row[std::max(label, 0)];
      const double counted = label == -1 ? double(graph_->scores[a]) : score;  // the blank is not held against an end
      if (label != 0 && !(scores_[n] + counted >= cutoff)) continue;
      const std::int64_t following = label > 0 ? context % kept_history * config.vocab_size + label : context;
      steps.push_back({following * states + to, scores_[n] + score, {from, 0, a, label, float(score)}});
    }
  }
  // Steps by where they end.
  std::vector<std::int32_t> order(steps.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int32_t i) { return steps[std::size_t(i)].key; });
  std::vector<std::int64_t> keys;
  std::vector<double> best;
  for (const std::int32_t i : order) {
    Step& step = steps[std::size_t(i)];
    if (keys.empty() || keys.back() != step.key) {
      keys.push_back(step.key);
      best.push_back(step.end);
    }
    best.back() = std::max(best.back(), step.end);
    step.arc.to = std::int32_t(keys.size() - 1);
  }
  std::vector<char> stays = within(best, config.beam, config.max_states);
  std::vector<std::int32_t> context_of(keys.size(), -1);
  std::vector<double> best_of_context;
  std::int64_t last = -1;
  for (std::size_t n = 0; n < keys.size(); ++n) {
    if (!stays[n]) continue;
    if (keys[n] / states != last) best_of_context.push_back(kNone);
    last = keys[n] / states;
    context_of[n] = std::int32_t(best_of_context.size() - 1);
    best_of_context.back() = std::max(best_of_context.back(), best[n]);
  }
  const std::vector<char> context_stays = within(best_of_context, config.beam, config.max_contexts);
  std::vector<std::int32_t> place(keys.size(), -1);
  auto frame = std::make_shared<Frame>();
  frame->states = std::int32_t(keys_.size());
  keys_.clear();
  scores_.clear();
  for (std::size_t n = 0; n < keys.size(); ++n) {
    if (!stays[n] || !context_stays[std::size_t(context_of[n])]) continue;
    place[n] = std::int32_t(keys_.size());
    keys_.push_back(keys[n]);
    scores_.push_back(best[n]);
  }
  for (Step& step : steps) {
    step.arc.to = place[std::size_t(step.arc.to)];
    if (step.arc.to >= 0) frame->arcs.push_back(step.arc);
  }
  frames_.push_back(std::move(frame));
}

FsaBatch RnntStream::lattice(std::size_t frames, bool allow_partial, std::vector<float>& scores) const {
  FsaBatch result;
  std::int32_t first = 0;  // state of the frame
  const auto put = [&](const Frame& frame, auto each) {
    std::size_t a = 0;
    for (std::int32_t s = 0; s < frame.states; ++s) {
      for (; a < frame.arcs.size() && frame.arcs[a].from == s; ++a) each(frame.arcs[a]);
      result.end_state();
    }
    first += frame.states;
  };
  for (std::size_t t = 0; t + 1 < frames; ++t) {
    put(*frames_[t], [&](const RnntArc& arc) {
      const bool final = arc.label == -1;  // leads nowhere, as frames follow
      result.add_arc(first + arc.from, first + frames_[t]->states + arc.to, final ? 0 : arc.label, final ? -1 : arc.arc, -1);
      scores.push_back(arc.score);
    });
  }
  if (frames == 0) {
    result.end_state();
    first = 1;
  } else {
    const Frame& last = *frames_[frames - 1];
    const bool ends = std::ranges::any_of(last.arcs, [](const RnntArc& arc) { return arc.label == -1; });
    std::int32_t ended = -1;
    put(last, [&](const RnntArc& arc) {
      if (arc.label != -1 && (ends || !allow_partial || arc.from == ended)) return;
      ended = arc.from;
      result.add_arc(first + arc.from, first + last.states, -1, arc.label == -1 ? arc.arc : -1, -1);
      scores.push_back(0);
    });
  }
  result.end_state();
  result.fsa_splits.push_back(first + 1);
  return result;
}

}  // namespace sonant

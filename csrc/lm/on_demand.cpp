#include "lm/on_demand.h"

#include <algorithm>
#include <cmath>

namespace sonant {

namespace {

constexpr double kLn10 = 2.302585092994045684;

void check_label(Label label) {
  if (label <= 0) fst_error("a step with the label ", label, ", which is no word; expected 1 or more");
}

}  // namespace

// ---- Backoff

BackoffOnDemand::BackoffOnDemand(Fst<TropicalWeight> fst, Label backoff) : fst_(std::move(fst)), backoff_(backoff) {
  if (backoff < 0) fst_error("the label ", backoff, " of backoff arcs; expected 0 or more");
  using namespace properties;
  const Bits found = find_properties(fst_.view(), fst_.stored_properties(), kILabelSorted | kIDeterministic);
  if (!(found & kILabelSorted)) fst_.sort_arcs(false);
  view_ = fst_.view();
  if (view_.start == kNoState) fst_error("a language model without a start state");
  if ((found & kIDeterministic) && backoff_ == 0) return;
  for (StateId s = 0; s < StateId(view_.num_states); ++s) {
    if (backoff_ != 0 && view_.states[s].iepsilons) {
      fst_error("a language model: state ", s, " has an epsilon, but its backoff label is ", backoff_);
    }
    if (found & kIDeterministic) continue;
    const auto arcs = view_.arcs_of(s);
    const auto same = [](const auto& a, const auto& b) { return a.ilabel == b.ilabel; };
    const auto twice = std::ranges::adjacent_find(arcs, same);
    if (twice != arcs.end()) {
      fst_error("a language model: state ", s, " has two arcs with the input label ", twice->ilabel,
                "; determinize it first");
    }
  }
}

float BackoffOnDemand::checked(float cost, StateId s) {
  if (!is_cost(cost)) fst_error("a language model: a cost of state ", s, " is no number");
  return cost;
}

const Arc<TropicalWeight>* BackoffOnDemand::find(StateId s, Label label) const {
  const auto arcs = view_.arcs_of(s);
  const auto at = std::lower_bound(arcs.begin(), arcs.end(), label,
                                   [](const Arc<TropicalWeight>& arc, Label l) { return arc.ilabel < l; });
  return at != arcs.end() && at->ilabel == label ? &*at : nullptr;
}

void BackoffOnDemand::check(StateId s) const {
  if (!view_.has(s)) {
    fst_error<FstIndexError>("state ", s, " is not there; the model has ", view_.num_states, " states");
  }
}

void BackoffOnDemand::cycle(StateId s) const {
  fst_error("the backoff arcs of the language model have a cycle through state ", s);
}

float BackoffOnDemand::final(StateId s) {
  check(s);
  float cost = 0;
  for (std::size_t steps = 0;; ++steps) {
    const float final = view_.states[s].final.value;
    if (final != kInfinity) return checked(cost + final, s);
    const auto* arc = find(s, backoff_);
    if (!arc) return kInfinity;
    if (steps > view_.num_states) cycle(s);
    cost += arc->weight.value;
    s = arc->nextstate;
  }
}

Step BackoffOnDemand::step(StateId s, Label label) {
  check(s);
  check_label(label);
  if (label == backoff_) fst_error("a step with the label ", label, ", which is that of backoff arcs");
  float cost = 0;
  for (std::size_t steps = 0;; ++steps) {
    if (const auto* arc = find(s, label)) {
      return {checked(cost + arc->weight.value, s), arc->olabel, arc->nextstate};
    }
    const auto* arc = find(s, backoff_);
    if (!arc) return {};
    if (steps > view_.num_states) cycle(s);
    cost += arc->weight.value;
    s = arc->nextstate;
  }
}

// ---- n-gram models

void NgramOnDemand::check(StateId s) const {
  if (s < 0 || !lm_->is_context(NgramLm::Node(s))) {
    fst_error<FstIndexError>("state ", s, " is not a history of the language model");
  }
}

StateId NgramOnDemand::start() {
  const std::int32_t bos = lm_->bos;
  return static_cast<StateId>(lm_->context({&bos, 1}));
}

float NgramOnDemand::final(StateId s) {
  check(s);
  auto context = NgramLm::Node(s);
  return static_cast<float>(-kLn10 * lm_->score(context, lm_->eos));
}

Step NgramOnDemand::step(StateId s, Label label) {
  check(s);
  check_label(label);
  const std::int32_t word = lm_->known(label);
  if (word < 0) return {};
  auto context = NgramLm::Node(s);
  const double score = lm_->score(context, word);
  if (!std::isfinite(score)) return {};
  return {static_cast<float>(-kLn10 * score), label, static_cast<StateId>(context)};
}

// ---- Histories

namespace {

std::span<const Label> labels_of(const Sequences& histories, StateId s) {
  if (s < 0 || std::size_t(s) >= histories.size()) {
    fst_error<FstIndexError>("state ", s, " is not there; so far there are ", histories.size());
  }
  return histories.of(std::uint32_t(s));
}

StateId state_of(Sequences& histories, std::span<const Label> labels) {
  const std::uint32_t number = histories.number(labels);
  if (number >= kMostStates) fst_error("the language model has been in more states than an automaton can have");
  return static_cast<StateId>(number);
}

}  // namespace

ConstArpaOnDemand::ConstArpaOnDemand(std::shared_ptr<const ConstArpa> lm) : lm_(std::move(lm)) {
  const Label bos = lm_->bos();
  histories_.number({&bos, 1});
}

float ConstArpaOnDemand::final(StateId s) {
  const std::lock_guard lock(mutex_);
  return -lm_->logprob(lm_->eos(), labels_of(histories_, s));
}

Step ConstArpaOnDemand::step(StateId s, Label label) {
  check_label(label);
  const std::lock_guard lock(mutex_);
  const auto history = labels_of(histories_, s);
  const float score = lm_->logprob(label, history);
  if (score == -kInfinity) return {};
  scratch_.assign(history.begin(), history.end());
  scratch_.push_back(label);
  std::span<const Label> next = scratch_;
  next = next.last(std::min(next.size(), std::size_t(std::max(lm_->order() - 1, 0))));
  while (!next.empty() && !lm_->has_history(next)) next = next.subspan(1);
  return {-score, label, state_of(histories_, next)};
}

HistoryOnDemand::HistoryOnDemand(int order) : most_(std::size_t(order - 1)) {
  if (order < 1) fst_error("order=", order, " of a history; expected 1 or more");
  histories_.number({});
}

float HistoryOnDemand::final(StateId s) {
  const std::lock_guard lock(mutex_);
  labels_of(histories_, s);
  return 0;
}

Step HistoryOnDemand::step(StateId s, Label label) {
  check_label(label);
  const std::lock_guard lock(mutex_);
  const auto history = labels_of(histories_, s);
  scratch_.assign(history.begin(), history.end());
  scratch_.push_back(label);
  const std::span<const Label> next = scratch_;
  return {0, label, state_of(histories_, next.last(std::min(next.size(), most_)))};
}

// ---- Those that are made of others

ComposedOnDemand::ComposedOnDemand(OnDemandPtr first, OnDemandPtr second)
    : first_(std::move(first)), second_(std::move(second)) {
  const StateId a = first_->start(), b = second_->start();
  if (a != kNoState && b != kNoState) start_ = number(a, b);
}

StateId ComposedOnDemand::number(StateId a, StateId b) {
  const std::lock_guard lock(mutex_);
  return StateId(pairs_(std::uint64_t(std::uint32_t(a)) << 32 | std::uint32_t(b)));
}

std::pair<StateId, StateId> ComposedOnDemand::pair(StateId s) {
  const std::lock_guard lock(mutex_);
  if (s < 0 || std::size_t(s) >= pairs_.size()) {
    fst_error<FstIndexError>("state ", s, " is not there; so far there are ", pairs_.size());
  }
  const std::uint64_t key = pairs_.key(std::size_t(s));
  return {StateId(key >> 32), StateId(std::uint32_t(key))};
}

float ComposedOnDemand::final(StateId s) {
  const auto [a, b] = pair(s);
  const float cost = first_->final(a);
  return cost == kInfinity ? cost : cost + second_->final(b);
}

Step ComposedOnDemand::step(StateId s, Label label) {
  const auto [a, b] = pair(s);
  const Step one = first_->step(a, label);
  if (one.next == kNoState) return {};
  if (one.olabel == 0) return {one.cost, 0, number(one.next, b)};
  const Step two = second_->step(b, one.olabel);
  if (two.next == kNoState) return {};
  return {one.cost + two.cost, two.olabel, number(one.next, two.next)};
}

void ComposedOnDemand::expect(std::span<const StateId> states) {
  std::vector<StateId> firsts, seconds;
  for (const StateId s : states) {
    const auto [a, b] = pair(s);
    firsts.push_back(a);
    seconds.push_back(b);
  }
  for (auto* of : {&firsts, &seconds}) {
    std::ranges::sort(*of);
    of->erase(std::ranges::unique(*of).begin(), of->end());
  }
  first_->expect(firsts);
  second_->expect(seconds);
}

CachedOnDemand::CachedOnDemand(OnDemandPtr of, std::size_t steps) : of_(std::move(of)) {
  if (steps == 0 || steps > (std::size_t(1) << 28)) fst_error("a cache of ", steps, " arcs; expected 1 to 2^28");
  std::size_t size = 1;
  while (size < steps) size *= 2;
  slots_.resize(size);
}

Step CachedOnDemand::step(StateId s, Label label) {
  const std::uint64_t key = std::uint64_t(std::uint32_t(s)) << 32 | std::uint32_t(label);
  Slot& slot = slots_[mixed(key) & (slots_.size() - 1)];
  {
    const std::lock_guard lock(mutex_);
    if (s != kNoState && slot.state == s && slot.label == label) return slot.step;
  }
  const Step step = of_->step(s, label);
  const std::lock_guard lock(mutex_);
  slot = {s, label, step};
  return step;
}

}  // namespace sonant

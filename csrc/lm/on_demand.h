// Deterministic automata whose states and arcs are made as they are asked for: language models of which a search or
// a lattice sees few states. A state has one way to go with a label at most, and no epsilons:
//
//   start()              the first state
//   final(state)         what it costs to end there; infinity where that cannot be
//   step(state, label)   the cost, the output label and the next state; next is kNoState where there is no such arc
//
// The kinds below are final classes, so that algorithms which take one of them as a template argument call it
// directly; through OnDemand they go with those that are put together in Python. Backoff and Ngram only read and may
// be shared by any threads; the others make states, one thread at a time (the rest waits).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "lm/const_arpa.h"
#include "fst/fst.h"
#include "fst/work.h"
#include "lm/ngram_lm.h"
#include "fst/sequences.h"

namespace sonant {

struct Step {
  float cost = kInfinity;
  Label olabel = 0;
  StateId next = kNoState;
};

class OnDemand {
 public:
  virtual ~OnDemand() = default;
  virtual StateId start() = 0;
  virtual float final(StateId s) = 0;
  virtual Step step(StateId s, Label label) = 0;
  virtual std::size_t bytes() const { return 0; }  // of the states that it has made
  // Says that these states will be asked about: a neural model works on all of them at once. Nothing depends on it but
  // time; `wants_to_expect` tells whether it helps.
  virtual void expect(std::span<const StateId> states) { (void)states; }
  virtual bool wants_to_expect() const { return false; }
  // The same one that has made no states yet; null where it makes none, or is not ours, and may be used as it is.
  virtual std::shared_ptr<OnDemand> fresh() const { return nullptr; }
};

using OnDemandPtr = std::shared_ptr<OnDemand>;

// For somebody alone: numbers of states do not depend on what others have asked for, and nobody waits.
inline OnDemandPtr fresh(const OnDemandPtr& model) {
  OnDemandPtr made = model->fresh();
  return made ? made : model;
}

// An automaton with backoff arcs: where a state has no arc with the label, or no final cost, its arc with the input
// label `backoff` is taken to a state that may have it. FstError where a state has two arcs with one input label.
class BackoffOnDemand final : public OnDemand {
 public:
  BackoffOnDemand(Fst<TropicalWeight> fst, Label backoff);
  StateId start() override { return view_.start; }
  float final(StateId s) override;
  Step step(StateId s, Label label) override;

 private:
  const Arc<TropicalWeight>* find(StateId s, Label label) const;
  static float checked(float cost, StateId s);
  void check(StateId s) const;
  [[noreturn]] void cycle(StateId s) const;
  Fst<TropicalWeight> fst_;
  View<TropicalWeight> view_;
  Label backoff_;
};

// An n-gram model; a state is a node of it, costs are natural logarithms. <unk> stands in for unknown words.
class NgramOnDemand final : public OnDemand {
 public:
  explicit NgramOnDemand(std::shared_ptr<const NgramLm> lm) : lm_(std::move(lm)) {}
  StateId start() override;
  float final(StateId s) override;
  Step step(StateId s, Label label) override;

 private:
  void check(StateId s) const;
  std::shared_ptr<const NgramLm> lm_;
};

// Kaldi's const-arpa model; a state is a history.
class ConstArpaOnDemand final : public OnDemand {
 public:
  explicit ConstArpaOnDemand(std::shared_ptr<const ConstArpa> lm);
  StateId start() override { return 0; }
  float final(StateId s) override;
  Step step(StateId s, Label label) override;
  std::size_t bytes() const override {
    const std::lock_guard lock(mutex_);
    return histories_.bytes();
  }
  OnDemandPtr fresh() const override { return std::make_shared<ConstArpaOnDemand>(lm_); }

 private:
  std::shared_ptr<const ConstArpa> lm_;
  Sequences histories_;
  std::vector<Label> scratch_;
  mutable std::mutex mutex_;
};

// Takes all labels at no cost; a state is the last `order` - 1 of them.
class HistoryOnDemand final : public OnDemand {
 public:
  explicit HistoryOnDemand(int order);
  StateId start() override { return 0; }
  float final(StateId s) override;
  Step step(StateId s, Label label) override;
  std::size_t bytes() const override {
    const std::lock_guard lock(mutex_);
    return histories_.bytes();
  }
  OnDemandPtr fresh() const override { return std::make_shared<HistoryOnDemand>(int(most_) + 1); }

 private:
  std::size_t most_;
  Sequences histories_;
  std::vector<Label> scratch_;
  mutable std::mutex mutex_;
};

// All costs times a factor; a negative one takes a model's costs away.
class ScaledOnDemand final : public OnDemand {
 public:
  ScaledOnDemand(float scale, OnDemandPtr of) : scale_(scale), of_(std::move(of)) {}
  StateId start() override { return of_->start(); }
  float final(StateId s) override { return scaled(of_->final(s)); }
  Step step(StateId s, Label label) override {
    Step step = of_->step(s, label);
    step.cost = scaled(step.cost);
    return step;
  }
  std::size_t bytes() const override { return of_->bytes(); }
  void expect(std::span<const StateId> states) override { of_->expect(states); }
  bool wants_to_expect() const override { return of_->wants_to_expect(); }
  OnDemandPtr fresh() const override {
    OnDemandPtr of = of_->fresh();
    return of ? std::make_shared<ScaledOnDemand>(scale_, std::move(of)) : nullptr;
  }

 private:
  float scaled(float cost) const { return cost == kInfinity ? cost : scale_ * cost; }
  float scale_;
  OnDemandPtr of_;
};

// The first one's output goes into the second one.
class ComposedOnDemand final : public OnDemand {
 public:
  ComposedOnDemand(OnDemandPtr first, OnDemandPtr second);
  StateId start() override { return start_; }
  float final(StateId s) override;
  Step step(StateId s, Label label) override;
  std::size_t bytes() const override {
    const std::lock_guard lock(mutex_);
    return first_->bytes() + second_->bytes() + 24 * pairs_.size();
  }
  void expect(std::span<const StateId> states) override;
  bool wants_to_expect() const override { return first_->wants_to_expect() || second_->wants_to_expect(); }
  OnDemandPtr fresh() const override {
    return std::make_shared<ComposedOnDemand>(sonant::fresh(first_), sonant::fresh(second_));
  }

 private:
  StateId number(StateId a, StateId b);
  std::pair<StateId, StateId> pair(StateId s);
  OnDemandPtr first_, second_;
  StateId start_ = kNoState;
  Numbering pairs_;
  mutable std::mutex mutex_;
};

// Remembers the steps that were asked for last, about `steps` of them.
class CachedOnDemand final : public OnDemand {
 public:
  CachedOnDemand(OnDemandPtr of, std::size_t steps);
  StateId start() override { return of_->start(); }
  float final(StateId s) override { return of_->final(s); }
  Step step(StateId s, Label label) override;
  std::size_t bytes() const override { return of_->bytes(); }
  void expect(std::span<const StateId> states) override { of_->expect(states); }
  bool wants_to_expect() const override { return of_->wants_to_expect(); }
  OnDemandPtr fresh() const override { return std::make_shared<CachedOnDemand>(sonant::fresh(of_), slots_.size()); }

 private:
  struct Slot {
    StateId state = kNoState;
    Label label = 0;
    Step step;
  };
  OnDemandPtr of_;
  std::vector<Slot> slots_;
  mutable std::mutex mutex_;
};

struct OnDemandOptions {
  bool inverse = false;  // the model is on the left: its output goes into the automaton
  bool connect = false;
  Bounds bounds;
};

// The automaton composed with a model: its output labels (those of the input where `inverse`) are the model's input.
// Costs of the model become graph costs of lattices. States are numbered in the order in which they are found.
template <class W>
Fst<W> compose_on_demand(const Fst<W>& fst, OnDemand& model, const OnDemandOptions& options);

}  // namespace sonant

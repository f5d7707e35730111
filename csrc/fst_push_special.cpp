#include <algorithm>
#include <cmath>

#include "fst_builder.h"
#include "fst_special.h"
#include "fst_walk.h"

namespace sonant {

namespace {

constexpr int kMostIterations = 2000, kCheckedEvery = 5;
// The power method on P + 0.1 I: eigenvalues of one magnitude, as those of a chain, do not make it turn for ever.
constexpr double kDamping = 0.1;

class PowerIteration {
 public:
  explicit PowerIteration(const View<TropicalWeight>& fst)
      : fst_(fst), n_(fst.num_states), potential_(n_, 1 / std::sqrt(double(n_))), next_(n_) {
    probability_.reserve(fst.num_slots);
    for (StateId s = 0; s < StateId(n_); ++s) {
      for (const Arc<TropicalWeight>& arc : fst.arcs_of(s)) {
        probability_.push_back(std::exp(-double(arc.weight.value)));
        to_.push_back(arc.nextstate);
      }
      final_.push_back(std::exp(-double(fst.states[s].final.value)));
      end_.push_back(probability_.size());
    }
  }

  // The sum of what leaves each state, times the potentials where it leads.
  double sum(std::size_t s, const std::vector<double>& potential) const {
    double total = final_[s] * potential[fst_.start];
    for (std::size_t i = s ? end_[s - 1] : 0; i < end_[s]; ++i) total += probability_[i] * potential[to_[i]];
    return total;
  }
  void step() {
    double squares = 0;
    for (std::size_t s = 0; s < n_; ++s) {
      next_[s] = kDamping * potential_[s] + sum(s, potential_);
      squares += next_[s] * next_[s];
    }
    const double scale = 1 / std::sqrt(squares);
    for (std::size_t s = 0; s < n_; ++s) potential_[s] = next_[s] * scale;
  }
  double spread() const {
    double least = HUGE_VAL, most = 0;
    for (std::size_t s = 0; s < n_; ++s) {
      const double share = sum(s, potential_) / potential_[s];
      if (!(share > 0) || !std::isfinite(share) || potential_[s] < 1e-290) {
        fst_error("push_special: the probabilities of paths through state ", s, " are too far from those of others; "
                  "scale the costs, or push them in the usual way first");
      }
      least = std::min(least, share);
      most = std::max(most, share);
    }
    return std::log(most / least);
  }
  double cost(std::size_t s) const { return -std::log(potential_[s]); }

 private:
  const View<TropicalWeight>& fst_;
  std::size_t n_;
  std::vector<double> probability_, final_, potential_, next_;
  std::vector<StateId> to_;
  std::vector<std::size_t> end_;
};

}  // namespace

PushedSpecial push_special(const StdFst& fst, double delta) {
  const View<TropicalWeight> view = fst.view();
  if (view.num_states == 0) return {fst};
  if (view.start == kNoState) fst_error("push_special of an automaton without a start state");
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    bool member = is_member(TropicalWeight(view.states[s].final));
    for (const Arc<TropicalWeight>& arc : view.arcs_of(s)) member &= is_member(TropicalWeight(arc.weight));
    if (!member) fst_error("push_special: a cost of state ", s, " is no number");
  }
  if (!walk(view).all_coaccessible) {
    fst_error("push_special of an automaton of ", view.num_states,
              " states, some of which lead to no final state: connect it first");
  }
  Work work("push_special", {}, 1, 1);
  PowerIteration power(view);
  PushedSpecial result;
  for (int i = 0;; ++i) {
    power.step();
    for (std::size_t s = 0; s < view.num_states; ++s) work.step();
    if ((i % kCheckedEvery == 0 && i > 0) || i + 1 == kMostIterations) {
      result.spread = power.spread();
      result.iterations = i + 1;
      if (result.spread <= delta || i + 1 == kMostIterations) break;
    }
  }
  FstBuilder<TropicalWeight> made;
  const double first = power.cost(std::size_t(view.start));
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    const double here = power.cost(std::size_t(s));
    made.open({static_cast<float>(view.states[s].final.value + (first - here))});
    for (Arc<TropicalWeight> arc : view.arcs_of(s)) {
      arc.weight.value = static_cast<float>(arc.weight.value + power.cost(std::size_t(arc.nextstate)) - here);
      made.add(arc);
    }
  }
  made.start = view.start;
  result.fst = made.finish();
  return result;
}

}  // namespace sonant

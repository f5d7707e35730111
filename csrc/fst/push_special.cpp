#include <algorithm>
#include <cmath>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/special.h"
#include "fst/walk.h"

namespace sonant {

namespace {

constexpr int kMostIterations = 2000, kCheckedEvery = 5, kBisections = 60;
// The power method on P + 0.1 I: eigenvalues of one magnitude, as those of a chain, do not make it turn for ever.
constexpr double kDamping = 0.1;

class PowerIteration {
 public:
  explicit PowerIteration(const View<TropicalWeight>& fst)
      : fst_(fst), n_(fst.num_states), potential_(n_, 1 / std::sqrt(double(n_))), next_(n_) {
    const std::size_t arcs = fst.num_arcs();
    probability_.reserve(arcs);
    to_.reserve(arcs);
    final_.reserve(n_);
    end_.reserve(n_);
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
  // Infinite where a state's potential is beyond doubles.
  double spread() const {
    double least = HUGE_VAL, most = 0;
    for (std::size_t s = 0; s < n_; ++s) {
      const double share = sum(s, potential_) / potential_[s];
      if (!(share > 0) || !std::isfinite(share) || potential_[s] < 1e-290) return HUGE_VAL;
      least = std::min(least, share);
      most = std::max(most, share);
    }
    return std::log(most / least);
  }
  // Leaves nothing else behind.
  std::vector<double> costs() && {
    probability_ = {};
    to_ = {};
    for (double& potential : potential_) potential = -std::log(potential);
    return std::move(potential_);
  }

 private:
  const View<TropicalWeight>& fst_;
  std::size_t n_;
  Array<double> probability_, final_;
  std::vector<double> potential_, next_;
  Array<StateId> to_;
  Array<std::size_t> end_;
};

// The same where there are no cycles but those through the start: the eigenvalue is then the only unknown, as a sweep
// from the end gives all potentials for a guess of it, and that of the start must be one. In costs it rises with the
// guess, by one arc of each path at least, so that a root lies between 0 and minus what 0 gives.
std::vector<double> acyclic_costs(const View<TropicalWeight>& fst, const std::vector<StateId>& order) {
  std::vector<StateId> backwards(order.size());
  for (std::size_t s = 0; s < order.size(); ++s) backwards[order.size() - 1 - std::size_t(order[s])] = StateId(s);
  std::vector<double> costs(order.size());
  const auto sweep = [&](double eigenvalue) {
    for (const StateId s : backwards) {
      LogSum sum;
      sum.add(fst.states[s].final.value);
      for (const Arc<TropicalWeight>& arc : fst.arcs_of(s)) sum.add(arc.weight.value + costs[arc.nextstate]);
      costs[s] = eigenvalue + sum.value();
    }
    return costs[fst.start];
  };
  const double at_zero = sweep(0);
  double low = std::min(0.0, -at_zero), high = std::max(0.0, -at_zero);
  for (int i = 0; i < kBisections && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    (sweep(middle) > 0 ? high : low) = middle;
  }
  sweep(low);
  return costs;
}

std::vector<double> converged(const View<TropicalWeight>& fst, double delta, PushedSpecial& result, Work& work) {
  PowerIteration power(fst);
  for (int i = 0;; ++i) {
    power.step();
    for (std::size_t s = 0; s < fst.num_states; ++s) work.step();
    if ((i % kCheckedEvery == 0 && i > 0) || i + 1 == kMostIterations) {
      result.spread = power.spread();
      result.iterations = i + 1;
      if (result.spread <= delta || result.spread == HUGE_VAL || i + 1 == kMostIterations) break;
    }
  }
  return std::move(power).costs();
}

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
  PushedSpecial result;
  std::vector<double> costs = converged(view, delta, result, work);
  if (result.spread > delta) {
    const std::vector<StateId> order = topological_order(view);
    if (!order.empty()) {
      costs = acyclic_costs(view, order);
      result.spread = 0;
    } else if (result.spread == HUGE_VAL) {
      fst_error("push_special of an automaton of ", view.num_states, " states: the probabilities of its paths are too "
                "far apart; scale the costs, or push them in the usual way first");
    }
  }
  FstBuilder<TropicalWeight> made;
  const double first = costs[view.start];
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    const double here = costs[s];
    made.open({static_cast<float>(view.states[s].final.value + (first - here))});
    for (Arc<TropicalWeight> arc : view.arcs_of(s)) {
      arc.weight.value = static_cast<float>(arc.weight.value + costs[arc.nextstate] - here);
      made.add(arc);
    }
  }
  made.start = view.start;
  result.fst = made.finish();
  return result;
}

}  // namespace sonant

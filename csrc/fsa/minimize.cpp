#include <cmath>
#include <limits>

#include "fsa/algorithms.h"
#include "fst/builder.h"
#include "fst/minimize.h"
#include "pool.h"

namespace sonant {
namespace {

std::string size_of(std::int32_t states, std::int32_t arcs) {
  return "an automaton of " + std::to_string(states) + " states and " + std::to_string(arcs) + " arcs";
}

}  // namespace

std::vector<std::int32_t> fsa_bisimilar_states(const FsaGraphs& graphs, const std::int32_t* keys, const float* scores,
                                               float delta, int threads) {
  std::vector<std::int32_t> found(graphs.states());
  parallel_for(graphs.fsas(), threads, [&](std::size_t i) {
    const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
    if (states == 0) return;
    Work work("minimize", {}, 0, 0);
    work.what = size_of(states, graphs.state_splits[first + states] - graphs.state_splits[first]);
    FstBuilder<TropicalWeight> fst;
    fst.start = 0;
    for (std::int32_t s = 0; s < states; ++s) {
      fst.open(s == states - 1 ? TropicalWeight::one() : TropicalWeight::zero());
      for (std::int32_t a = graphs.state_splits[first + s]; a < graphs.state_splits[first + s + 1]; ++a) {
        if (std::isnan(scores[a]) || scores[a] == std::numeric_limits<float>::infinity()) {
          work.fail("the score of arc ", a, " is ", scores[a], ", expected a number or -inf");
        }
        fst.add({Label(keys[a]), 0, TropicalWeight{-scores[a]}, StateId(graphs.arcs[4 * std::size_t(a) + 1])});
      }
    }
    const Array<StateId> block = bisimilar_states(fst.view(), delta, work);
    std::copy(block.begin(), block.end(), found.begin() + first);
  });
  return found;
}

std::vector<std::int32_t> fsa_best_onward(const FsaGraphs& graphs, const double* scores, const char* operation) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  // What two sums of the same scores may differ by, so that a cycle that gains nothing is none that gains.
  constexpr double kRounding = 1e-9;
  std::vector<std::int32_t> best(graphs.states(), -1);
  std::vector<double> onward;
  for (std::size_t i = 0; i < graphs.fsas(); ++i) {
    const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
    if (states == 0) continue;
    Work work(operation, {}, 0, 0);
    work.what = size_of(states, graphs.state_splits[first + states] - graphs.state_splits[first]);
    onward.assign(std::size_t(states), kNone);
    onward.back() = 0;
    bool changed = false;
    const auto visit = [&](std::int32_t s) {
      for (std::int32_t a = graphs.state_splits[first + s]; a < graphs.state_splits[first + s + 1]; ++a) {
        const double through = scores[a] + onward[graphs.arcs[4 * std::size_t(a) + 1]];
        if (std::isnan(through) || through == -kNone) {
          work.fail("the score of arc ", a, " is ", scores[a], ", expected a number or -inf");
        }
        if (through == kNone || (onward[s] != kNone && through <= onward[s] + kRounding * (1 + std::abs(through)))) continue;
        onward[s] = through;
        best[first + s] = a;
        changed = true;
      }
      work.step();
    };
    // To and fro, so that either order of states is quick; each sweep settles at least one more state.
    for (std::int32_t sweep = 0;; ++sweep) {
      changed = false;
      if (sweep % 2 == 0) {
        for (std::int32_t s = states - 1; s-- > 0;) visit(s);
      } else {
        for (std::int32_t s = 0; s < states - 1; ++s) visit(s);
      }
      if (!changed) break;
      if (sweep > states) work.fail("a cycle gains each time it is gone round, so that no path is the best; lower its scores");
    }
  }
  return best;
}

}  // namespace sonant

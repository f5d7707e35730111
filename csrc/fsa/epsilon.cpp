// Removal of epsilons in the tropical semiring: to the arcs of each state come those of the states that its epsilons
// lead to, over the best path of epsilons to each.
#include <algorithm>

#include "fsa/algorithms.h"
#include "fst/error.h"
#include "fst/work.h"
#include "fst/label_strings.h"

namespace sonant {
namespace {

// The states that epsilons lead to from one state.
class Closure {
 public:
  Closure(const FsaGraphs& graphs, const float* scores, std::int32_t first, std::int32_t states, Work& work)
      : graphs_(graphs), scores_(scores), first_(first), states_(states), work_(work), at_(states, -1) {}

  struct Reached {
    std::int32_t state;
    StringId path;  // arcs + 1
    double score;
    std::int32_t times = 0;
    bool open = true;
  };

  // In the order in which they were met, `from` itself first. False where epsilons go round and gain.
  bool find(std::int32_t from, LabelStrings& strings) {
    for (const Reached& r : met) at_[r.state] = -1;
    met.assign(1, {from, kEmptyString, 0});
    at_[from] = 0;
    open_.assign(1, from);
    for (std::size_t next = 0; next < open_.size(); ++next) {
      Reached& here = met[at_[open_[next]]];
      here.open = false;
      if (++here.times > states_) return false;
      const Reached now = here;
      for (std::int32_t a = graphs_.state_splits[first_ + now.state]; a < graphs_.state_splits[first_ + now.state + 1]; ++a) {
        const std::int32_t* arc = graphs_.arcs.data() + 4 * std::size_t(a);
        if (arc[2] != 0) continue;
        work_.step();
        const double score = now.score + double(scores_[a]);
        std::int32_t& at = at_[arc[1]];
        if (at >= 0 && !(score > met[at].score)) continue;
        if (at < 0) {
          at = std::int32_t(met.size());
          met.push_back({arc[1], kEmptyString, 0, 0, false});
        }
        Reached& there = met[at];
        there.score = score;
        there.path = strings.append(now.path, a + 1);
        if (!there.open) open_.push_back(arc[1]);
        there.open = true;
      }
    }
    return true;
  }

  std::vector<Reached> met;

 private:
  const FsaGraphs& graphs_;
  const float* scores_;
  const std::int32_t first_, states_;
  Work& work_;
  std::vector<std::int32_t> at_, open_;
};

FsaRagged remove_epsilons(const FsaGraphs& graphs, const float* scores, std::int32_t fsa) {
  const std::int32_t first = graphs.fsa_splits[fsa], states = graphs.fsa_splits[fsa + 1] - first;
  FsaRagged result;
  Work work("remove_epsilon", {}, 64, 48);
  work.what = "an automaton of " + std::to_string(states) + " states";
  // States that only epsilons lead to are not needed any more.
  std::vector<std::int32_t> number(states, -1);
  if (states > 0) number[0] = number[states - 1] = 0;
  for (std::int32_t a = graphs.state_splits[first]; a < graphs.state_splits[first + states]; ++a) {
    if (graphs.arcs[4 * std::size_t(a) + 2] != 0) number[graphs.arcs[4 * std::size_t(a) + 1]] = 0;
  }
  std::int32_t count = 0;
  for (std::int32_t& n : number) {
    if (n == 0) n = count++;
  }
  LabelStrings strings;
  Closure closure(graphs, scores, first, states, work);
  for (std::int32_t s = 0; s < states; ++s) {
    if (number[s] < 0) continue;
    if (!closure.find(s, strings)) {
      fst_error("remove_epsilon: automaton ", fsa, ": epsilons from state ", s,
                " go round in a cycle that gains each time; its best path has no end");
    }
    for (const auto& reached : closure.met) {
      for (std::int32_t a = graphs.state_splits[first + reached.state]; a < graphs.state_splits[first + reached.state + 1];
           ++a) {
        const std::int32_t* arc = graphs.arcs.data() + 4 * std::size_t(a);
        if (arc[2] == 0) continue;
        for (std::size_t k = 0; k < strings.length(reached.path); ++k) {
          result.map_values.push_back(strings.label(reached.path, k) - 1);
        }
        result.map_values.push_back(a);
        result.map_splits.push_back(std::int32_t(result.map_values.size()));
        result.batch.add_arc(number[s], number[arc[1]], arc[2], -1, -1);
      }
    }
    result.batch.end_state();
    work.made(count, result.map_splits.size() + result.map_values.size() / 8);
    check_numbered(work, result.map_values.size());
  }
  result.batch.fsa_splits.push_back(count);
  return result;
}

}  // namespace

FsaRagged fsa_remove_epsilons(const FsaGraphs& graphs, const float* scores) {
  std::vector<FsaRagged> parts;
  for (std::size_t i = 0; i < graphs.fsas(); ++i) parts.push_back(remove_epsilons(graphs, scores, std::int32_t(i)));
  return joined(std::move(parts), "remove_epsilon");
}

}  // namespace sonant

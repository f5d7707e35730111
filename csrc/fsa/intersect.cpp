#include <algorithm>
#include <numeric>

#include "fsa/algorithms.h"
#include "fst/work.h"
#include "pool.h"

namespace sonant {
namespace {

// Smaller automata are done before a second thread is there; in numbers of four an arc.
constexpr std::size_t kArcsWorthThreads = 4 * 5000;

// Each state's arcs by label, as unsigned numbers, those of equal labels as they come.
class ByLabel {
 public:
  explicit ByLabel(const FsaGraphs& graphs) : graphs_(graphs), arcs_(graphs.arcs.size() / 4) {
    std::iota(arcs_.begin(), arcs_.end(), 0);
    for (std::size_t s = 0; s < graphs.states(); ++s) {
      const auto begin = arcs_.begin() + graphs.state_splits[s], end = arcs_.begin() + graphs.state_splits[s + 1];
      const auto less = [&](std::int32_t a, std::int32_t b) { return label(a) < label(b); };
      if (!std::is_sorted(begin, end, less)) std::stable_sort(begin, end, less);
    }
  }
  std::uint32_t label(std::int32_t arc) const { return std::uint32_t(graphs_.arcs[4 * std::size_t(arc) + 2]); }

  std::span<const std::int32_t> with(std::int32_t state, std::int32_t wanted) const {
    const auto begin = arcs_.begin() + graphs_.state_splits[state], end = arcs_.begin() + graphs_.state_splits[state + 1];
    const auto found = std::lower_bound(begin, end, std::uint32_t(wanted),
                                        [&](std::int32_t a, std::uint32_t l) { return label(a) < l; });
    auto last = found;
    while (last != end && label(*last) == std::uint32_t(wanted)) ++last;
    return {found, last};
  }

 private:
  const FsaGraphs& graphs_;
  std::vector<std::int32_t> arcs_;
};

// One pair of automata. A state of the result is a pair of states and whether the last step was an epsilon of b.
FsaBatch intersect(const FsaGraphs& a, const FsaGraphs& b, const ByLabel& b_arcs, std::int32_t a_fsa,
                   std::int32_t b_fsa, bool epsilons) {
  FsaBatch result;
  const std::int32_t a_first = a.fsa_splits[a_fsa], b_first = b.fsa_splits[b_fsa];
  const std::int32_t a_states = a.fsa_splits[a_fsa + 1] - a_first, b_states = b.fsa_splits[b_fsa + 1] - b_first;
  if (a_states < 2 || b_states < 2) {
    result.fsa_splits.push_back(0);
    return result;
  }
  Work work("intersect", {}, 24, 24);
  work.what = "two automata of " + std::to_string(a_states) + " and " + std::to_string(b_states) + " states";
  constexpr std::int32_t kFinal = -1;
  Numbering states;
  const auto number = [&](std::int32_t as, std::int32_t bs, bool after_b) {
    return std::int32_t(states(std::uint64_t(as) << 32 | std::uint64_t(bs) << 1 | after_b));
  };
  number(0, 0, false);
  for (std::size_t s = 0; s < states.size(); ++s) {
    const std::uint64_t key = states.key(s);
    const auto as = std::int32_t(key >> 32), bs = std::int32_t(std::uint32_t(key) >> 1);
    const bool after_b = key & 1;
    for (std::int32_t i = a.state_splits[a_first + as]; i < a.state_splits[a_first + as + 1]; ++i) {
      const std::int32_t to = a.arcs[4 * std::size_t(i) + 1], label = a.arcs[4 * std::size_t(i) + 2];
      if (epsilons && label == 0) {
        if (!after_b) result.add_arc(std::int32_t(s), number(to, bs, false), 0, i, -1);
        continue;
      }
      for (const std::int32_t j : b_arcs.with(b_first + bs, label)) {
        const std::int32_t b_to = b.arcs[4 * std::size_t(j) + 1];
        result.add_arc(std::int32_t(s), label == -1 ? kFinal : number(to, b_to, false), label, i, j);
        work.step();
      }
    }
    if (epsilons) {
      for (const std::int32_t j : b_arcs.with(b_first + bs, 0)) {
        result.add_arc(std::int32_t(s), number(as, b.arcs[4 * std::size_t(j) + 1], true), 0, -1, j);
      }
    }
    result.end_state();
    work.step();
    work.made(states.size(), result.num_arcs());
  }
  const auto last = std::int32_t(states.size());
  for (std::size_t i = 1; i < result.arcs.size(); i += 4) {
    if (result.arcs[i] == kFinal) result.arcs[i] = last;
  }
  result.end_state();
  result.fsa_splits.push_back(last + 1);
  return result;
}

}  // namespace

FsaBatch fsa_intersect(const FsaGraphs& a, const FsaGraphs& b, std::span<const std::int32_t> a_of,
                       std::span<const std::int32_t> b_of, bool epsilons, int threads) {
  const ByLabel b_arcs(b);
  std::vector<FsaBatch> parts(a_of.size());
  if (a.arcs.size() + b.arcs.size() < kArcsWorthThreads) threads = 1;
  parallel_for(parts.size(), threads,
               [&](std::size_t i) { parts[i] = intersect(a, b, b_arcs, a_of[i], b_of[i], epsilons); });
  return joined(std::move(parts), "intersect");
}

}  // namespace sonant

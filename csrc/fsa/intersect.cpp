#include <algorithm>
#include <numeric>

#include "fsa/algorithms.h"
#include "fst/error.h"
#include "fst/work.h"
#include "pool.h"

namespace sonant {
namespace {

// Smaller automata are done before a second thread is there; in numbers of four an arc.
constexpr std::size_t kArcsWorthThreads = 4 * 5000;

constexpr std::size_t kArcsWorthCounting = std::size_t(1) << 24;

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
  // As many as `with` gives, without looking at each.
  std::size_t count(std::int32_t state, std::int32_t wanted) const {
    return std::ranges::equal_range(arcs_.begin() + graphs_.state_splits[state], arcs_.begin() + graphs_.state_splits[state + 1],
                                    std::uint32_t(wanted), {}, [&](std::int32_t a) { return label(a); })
        .size();
  }

 private:
  const FsaGraphs& graphs_;
  std::vector<std::int32_t> arcs_;
};

// Where the arcs of each state of b fail to, by at most one arc each.
class Failures {
 public:
  Failures(const FsaGraphs& graphs, const ByLabel& arcs, std::int32_t phi) : graphs_(graphs), arc_(graphs.states(), -1) {
    if (phi <= 0) return;
    for (std::size_t i = 0; i < graphs.fsas(); ++i) {
      const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
      for (std::int32_t s = 0; s < states; ++s) {
        const auto found = arcs.with(first + s, phi);
        if (found.size() > 1) {
          fst_error("intersect: state ", s, " of automaton ", i, " of b_fsa has ", found.size(), " arcs of label ", phi,
                    ", phi_label, at most one expected");
        }
        if (!found.empty()) arc_[std::size_t(first + s)] = found[0];
      }
      // Each way of failure ends: states are marked by the way that came to them.
      std::vector<std::int32_t> way(std::size_t(states), -1);
      for (std::int32_t s = 0; s < states; ++s) {
        std::int32_t at = s;
        for (; way[at] < 0 && arc(first + at) >= 0; at = end(arc(first + at))) way[at] = s;
        if (way[at] == s && arc(first + at) >= 0) {
          fst_error("intersect: the arcs of label ", phi, ", phi_label, of automaton ", i, " of b_fsa go round from state ", at);
        }
      }
    }
  }
  std::int32_t arc(std::int32_t state) const { return arc_[std::size_t(state)]; }
  std::int32_t end(std::int32_t arc) const { return graphs_.arcs[4 * std::size_t(arc) + 1]; }

 private:
  const FsaGraphs& graphs_;
  std::vector<std::int32_t> arc_;
};

// One pair of automata. A state of the result is a pair of states and whether the last step was an epsilon of b.
template <bool kPhi>
FsaRagged intersect(const FsaGraphs& a, const FsaGraphs& b, const ByLabel& b_arcs, const Failures& failures,
                    std::int32_t a_fsa, std::int32_t b_fsa, bool epsilons, std::int32_t phi) {
  FsaRagged made;
  FsaBatch& result = made.batch;
  const std::int32_t a_first = a.fsa_splits[a_fsa], b_first = b.fsa_splits[b_fsa];
  const std::int32_t a_states = a.fsa_splits[a_fsa + 1] - a_first, b_states = b.fsa_splits[b_fsa + 1] - b_first;
  if (a_states < 2 || b_states < 2) {
    result.fsa_splits.push_back(0);
    return made;
  }
  std::vector<std::int32_t> failed;  // arcs that were gone through for the label that is looked for
  const auto add_arc = [&](std::size_t from, std::int32_t to, std::int32_t label, std::int32_t i, std::int32_t j) {
    result.add_arc(std::int32_t(from), to, label, i, j);
    if constexpr (kPhi) {
      made.map_values.append(failed.begin(), failed.end());
      made.map_splits.push_back(std::int32_t(made.map_values.size()));
    }
  };
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
    const std::size_t a_arcs = std::size_t(a.state_splits[a_first + as + 1] - a.state_splits[a_first + as]);
    const std::size_t b_here = std::size_t(b.state_splits[b_first + bs + 1] - b.state_splits[b_first + bs]);
    if (a_arcs * b_here > kArcsWorthCounting) {  // two states with very many arcs, which are counted before they are made
      std::size_t count = result.num_arcs();
      for (std::int32_t i = a.state_splits[a_first + as]; i < a.state_splits[a_first + as + 1]; ++i) {
        count += b_arcs.count(b_first + bs, a.arcs[4 * std::size_t(i) + 2]);
      }
      check_numbered(work, count);
      work.made(states.size(), count);
    }
    for (std::int32_t i = a.state_splits[a_first + as]; i < a.state_splits[a_first + as + 1]; ++i) {
      const std::int32_t to = a.arcs[4 * std::size_t(i) + 1], label = a.arcs[4 * std::size_t(i) + 2];
      if (epsilons && label == 0) {
        if (!after_b) add_arc(s, number(to, bs, false), 0, i, -1);
        continue;
      }
      auto matches = b_arcs.with(b_first + bs, label);
      if constexpr (kPhi) {
        if (label == phi) work.fail("a_fsa has an arc of label ", phi, ", phi_label, which is for those of b_fsa");
        for (std::int32_t at = bs; matches.empty();) {
          const std::int32_t arc = failures.arc(b_first + at);
          if (arc < 0) break;
          failed.push_back(arc);
          at = failures.end(arc);
          matches = b_arcs.with(b_first + at, label);
        }
      }
      for (const std::int32_t j : matches) {
        const std::int32_t b_to = b.arcs[4 * std::size_t(j) + 1];
        add_arc(s, label == -1 ? kFinal : number(to, b_to, false), label, i, j);
        work.step();
      }
      failed.clear();
    }
    if (epsilons) {
      for (const std::int32_t j : b_arcs.with(b_first + bs, 0)) {
        add_arc(s, number(as, b.arcs[4 * std::size_t(j) + 1], true), 0, -1, j);
      }
    }
    result.end_state();
    work.step();
    work.made(states.size(), result.num_arcs());
    check_numbered(work, std::max(result.num_arcs(), made.map_values.size()));
  }
  const auto last = std::int32_t(states.size());
  for (std::size_t i = 1; i < result.arcs.size(); i += 4) {
    if (result.arcs[i] == kFinal) result.arcs[i] = last;
  }
  result.end_state();
  result.fsa_splits.push_back(last + 1);
  return made;
}

}  // namespace

FsaRagged fsa_intersect(const FsaGraphs& a, const FsaGraphs& b, std::span<const std::int32_t> a_of,
                        std::span<const std::int32_t> b_of, bool epsilons, std::int32_t phi, int threads) {
  const ByLabel b_arcs(b);
  const Failures failures(b, b_arcs, phi);
  std::vector<FsaRagged> parts(a_of.size());
  if (a.arcs.size() + b.arcs.size() < kArcsWorthThreads) threads = 1;
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    parts[i] = (phi > 0 ? intersect<true> : intersect<false>)(a, b, b_arcs, failures, a_of[i], b_of[i], epsilons, phi);
  });
  return joined(std::move(parts), "intersect");
}

}  // namespace sonant

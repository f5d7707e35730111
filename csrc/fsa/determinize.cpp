// Weighted determinization in the tropical semiring, after Mohri 1997: a state of the result is a set of states, each
// with what its best path has that has not been given out yet. What is left is kept as the arcs themselves, so that a
// score is the sum of the arcs that an arc of the result stands for, and nothing is given out before all paths agree
// on it.
#include <algorithm>
#include <limits>

#include "fsa/algorithms.h"
#include "fst/error.h"
#include "fst/work.h"
#include "fst/label_strings.h"
#include "pool.h"

namespace sonant {
namespace {

struct Element {
  std::int32_t state;
  StringId left;  // arcs + 1
  double score;   // of these
};

struct Step {
  std::uint32_t label;
  std::int32_t dest;
  Element to;
};

FsaDeterminized determinize(const FsaGraphs& graphs, const float* scores, std::int32_t fsa, const Bounds& bounds) {
  const std::int32_t first = graphs.fsa_splits[fsa], states = graphs.fsa_splits[fsa + 1] - first;
  FsaDeterminized made;
  FsaRagged& result = made.fsas;
  if (states < 2) {
    result.batch.fsa_splits.push_back(0);
    return made;
  }
  Work work("determinize", bounds, 64, 48);
  work.what = "an automaton of " + std::to_string(states) + " states and " +
              std::to_string(graphs.state_splits[first + states] - graphs.state_splits[first]) + " arcs";
  const std::uint64_t memory = half_of_memory();
  constexpr std::int32_t kFinal = -1;
  LabelStrings strings;
  HashIndex index;
  // Sets one after the other, each sorted by state.
  std::vector<Element> elements{{0, kEmptyString, 0}};
  std::vector<std::size_t> ends{0, 1};
  const auto set_of = [&](std::size_t n) { return std::span(elements.data() + ends[n], ends[n + 1] - ends[n]); };
  const auto hash_of = [](std::span<const Element> set) {
    std::uint64_t hash = set.size();
    for (const Element& e : set) hash = mixed(hash ^ (std::uint64_t(e.state) << 32 | e.left)) + 0x9e3779b97f4a7c15;
    return hash;
  };
  const auto number = [&](std::span<const Element> set) {
    const auto next = std::uint32_t(ends.size() - 1);
    const std::uint32_t found = index.find_or_add(hash_of(set), next, [&](std::uint32_t other) {
      return std::ranges::equal(set_of(other), set,
                                [](const Element& a, const Element& b) { return a.state == b.state && a.left == b.left; });
    });
    if (found == next) {
      elements.insert(elements.end(), set.begin(), set.end());
      ends.push_back(elements.size());
      if (index.full()) index.grow([&](std::uint32_t other) { return hash_of(set_of(other)); });
    }
    return std::int32_t(found);
  };
  index.find_or_add(hash_of(set_of(0)), 0, [](std::uint32_t) { return false; });

  std::vector<Step> steps;
  std::vector<Element> set;
  for (std::size_t n = 0; n + 1 < ends.size(); ++n) {
    steps.clear();
    for (std::size_t e = ends[n]; e < ends[n + 1]; ++e) {
      const Element from = elements[e];
      for (std::int32_t a = graphs.state_splits[first + from.state]; a < graphs.state_splits[first + from.state + 1]; ++a) {
        const std::int32_t* arc = graphs.arcs.data() + 4 * std::size_t(a);
        steps.push_back({std::uint32_t(arc[2]), arc[1],
                         {arc[1], strings.append(from.left, a + 1), from.score + double(scores[a])}});
        work.step();
      }
    }
    std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
      return a.label != b.label ? a.label < b.label : a.dest != b.dest ? a.dest < b.dest : a.to.score > b.to.score;
    });
    for (std::size_t i = 0; i < steps.size();) {
      const std::uint32_t label = steps[i].label;
      set.clear();
      for (; i < steps.size() && steps[i].label == label; ++i) {
        if (set.empty() || set.back().state != steps[i].dest) set.push_back(steps[i].to);
      }
      std::size_t common = strings.length(set[0].left);
      for (const Element& e : set) common = strings.common(set[0].left, e.left, common);
      double given = 0;
      for (std::size_t k = 0; k < common; ++k) {
        const std::int32_t arc = strings.label(set[0].left, k) - 1;
        result.map_values.push_back(arc);
        given += double(scores[arc]);
      }
      result.map_splits.push_back(std::int32_t(result.map_values.size()));
      for (Element& e : set) e = {e.state, strings.without_first(e.left, common), e.score - given};
      const bool final = label == std::uint32_t(-1);
      result.batch.add_arc(std::int32_t(n), final ? kFinal : number(set), std::int32_t(label), -1, -1);
    }
    result.batch.end_state();
    work.made(ends.size() - 1, result.map_splits.size());
    check_numbered(work, result.map_values.size());
    if (elements.size() * sizeof(Element) + strings.bytes() > memory) {
      fst_error("determinize of ", work.what, ": what its paths have left takes more than half of the memory, after ", n,
                " states; it may have no deterministic form");
    }
  }
  const auto last = std::int32_t(ends.size() - 1);
  for (std::size_t i = 1; i < result.batch.arcs.size(); i += 4) {
    if (result.batch.arcs[i] == kFinal) result.batch.arcs[i] = last;
  }
  result.batch.end_state();
  result.batch.fsa_splits.push_back(last + 1);
  for (std::size_t n = 0; n + 1 < ends.size(); ++n) {
    for (const Element& e : set_of(n)) {
      for (std::size_t k = 0; k < strings.length(e.left); ++k) made.left_values.push_back(strings.label(e.left, k) - 1);
      made.left_splits.push_back(std::int32_t(made.left_values.size()));
    }
    made.way_splits.push_back(std::int32_t(made.left_splits.size() - 1));
  }
  made.way_splits.push_back(made.way_splits.back());  // of the final state
  return made;
}

// `from` after `to`, both splits.
void append_splits(std::vector<std::int32_t>& to, const std::vector<std::int32_t>& from) {
  const std::int32_t shift = to.back();
  for (std::size_t i = 1; i < from.size(); ++i) to.push_back(shift + from[i]);
}

}  // namespace

FsaDeterminized fsa_determinize(const FsaGraphs& graphs, const float* scores, std::uint64_t max_states, int threads) {
  std::vector<FsaDeterminized> parts(graphs.fsas());
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    parts[i] = determinize(graphs, scores, std::int32_t(i), Bounds{max_states, 0});
  });
  std::vector<FsaRagged> made;
  std::size_t left = 0;
  for (const FsaDeterminized& part : parts) left += part.left_values.size();
  if (left > std::size_t(std::numeric_limits<std::int32_t>::max())) {
    fst_error("determinize: ", left, " arcs are left at the states of the batch, at most 2^31 can be numbered; split it");
  }
  FsaDeterminized all;
  for (FsaDeterminized& part : parts) {
    append_splits(all.left_splits, part.left_splits);
    append_splits(all.way_splits, part.way_splits);
    all.left_values.insert(all.left_values.end(), part.left_values.begin(), part.left_values.end());
    made.push_back(std::move(part.fsas));
    part = {};
  }
  all.fsas = joined(std::move(made), "determinize");
  return all;
}

}  // namespace sonant

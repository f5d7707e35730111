// Costs, probabilities, times and depths of lattices.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"
#include "lattice/lattice.h"

namespace sonant {

template <class W>
std::vector<StateId> in_order(const View<W>& lattice, const Work& work) {
  bool sorted = true;
  for (StateId s = 0; s < StateId(lattice.num_states) && sorted; ++s) {
    for (const Arc<W>& arc : lattice.arcs_of(s)) sorted &= arc.nextstate > s;
  }
  std::vector<StateId> order(lattice.num_states);
  std::iota(order.begin(), order.end(), 0);
  if (sorted) return order;
  const std::vector<StateId> number = topological_order(lattice);
  if (number.empty()) {
    work.fail("it has a cycle, which a lattice cannot have. A word without phones or an epsilon cycle of the language "
              "model makes such cycles; mend the graph");
  }
  for (std::size_t s = 0; s < number.size(); ++s) order[number[s]] = StateId(s);
  return order;
}

template <class W>
Fst<W> sorted(const Fst<W>& lattice, const char* operation) {
  const View<W> view = lattice.view();
  const std::vector<StateId> order = in_order(view, Work(operation, view));
  if (std::ranges::is_sorted(order)) return lattice;
  Fst<W> made = lattice;
  made.topological_sort();
  return made;
}

template <class W>
LatticeCosts lattice_costs(const View<W>& lattice, bool best) {
  Work work("forward-backward", lattice);
  check_costs(lattice, work);
  const std::vector<StateId> order = in_order(lattice, work);
  const double none = std::numeric_limits<double>::infinity();
  LatticeCosts result;
  result.forward.assign(lattice.num_states, none);
  result.backward.assign(lattice.num_states, none);
  if (lattice.start == kNoState) return result;
  result.forward[lattice.start] = 0;
  std::vector<LogSum> sums(best ? 0 : lattice.num_states);
  if (!best) sums[lattice.start].add(0);
  for (const StateId s : order) {
    work.steps(lattice.states[s].arcs + 1);
    if (!best && !sums[s].empty()) result.forward[s] = sums[s].value();
    const double cost = result.forward[s];
    if (cost == none) continue;
    for (const Arc<W>& arc : lattice.arcs_of(s)) {
      const double next = cost + cost_of(W(arc.weight));
      double& to = result.forward[arc.nextstate];
      if (best) to = std::min(to, next);
      else sums[arc.nextstate].add(next);
    }
  }
  for (std::size_t i = order.size(); i-- > 0;) {
    const StateId s = order[i];
    double least = cost_of(W(lattice.states[s].final));
    LogSum sum;
    sum.add(least);
    for (const Arc<W>& arc : lattice.arcs_of(s)) {
      const double next = cost_of(W(arc.weight)) + result.backward[arc.nextstate];
      if (best) least = std::min(least, next);
      else sum.add(next);
    }
    result.backward[s] = best || sum.empty() ? least : sum.value();
  }
  result.total = result.backward[lattice.start];
  return result;
}

namespace {

std::int32_t frames_of(const Arc<LatticeWeight>& arc) { return arc.ilabel != 0; }
std::int32_t frames_of(const Arc<CompactWeight>& arc) {
  return std::int32_t(CompactWeight(arc.weight).length);
}

template <class W>
double posterior(const LatticeCosts& costs, StateId s, const Arc<W>& arc) {
  const double way = costs.forward[s] + cost_of(W(arc.weight)) + costs.backward[arc.nextstate] - costs.total;
  return std::isfinite(way) ? std::exp(-way) : 0;
}

template <class W>
double posterior_of_end(const View<W>& lattice, const LatticeCosts& costs, StateId s) {
  const double way = costs.forward[s] + cost_of(W(lattice.states[s].final)) - costs.total;
  return std::isfinite(way) ? std::exp(-way) : 0;
}

}  // namespace

template <class W>
LatticeTimes lattice_times(const View<W>& lattice) {
  Work work("times of a lattice", lattice);
  const std::vector<StateId> order = in_order(lattice, work);
  LatticeTimes result;
  result.times.assign(lattice.num_states, -1);
  if (lattice.start == kNoState) return result;
  result.times[lattice.start] = 0;
  for (const StateId s : order) {
    const std::int32_t time = result.times[s];
    if (time < 0) continue;
    work.steps(lattice.states[s].arcs + 1);
    for (const Arc<W>& arc : lattice.arcs_of(s)) {
      std::int32_t& next = result.times[arc.nextstate];
      const std::int32_t own = time + frames_of(arc);
      if (next >= 0 && next != own) {
        work.fail("two ways from the start to state ", StateId(arc.nextstate), " have ", next, " and ", own,
                  " transition-ids; ways to one state must be equally long. Determinize the lattice again");
      }
      next = own;
    }
    if constexpr (has_strings<W>) {
      const CompactWeight final = lattice.states[s].final;
      if (!is_zero(final)) result.frames = std::max(result.frames, time + std::int32_t(final.length));
    } else {
      result.frames = std::max(result.frames, time);
    }
  }
  return result;
}

namespace {

// Probabilities of arcs, in the order of states, and of ending in each state.
struct Flow {
  std::vector<double> arcs, ends;
  double total = std::numeric_limits<double>::infinity();  // cost of all paths
};

// From the end: the cost of all ways on from a state, and the shares in it of each arc and of ending there. From the
// start: what comes to a state goes on in these shares. So an arc takes one exponential.
template <class W>
Flow flow_of(const View<W>& lattice) {
  Work work("forward-backward", lattice);
  check_costs(lattice, work);
  const std::vector<StateId> order = in_order(lattice, work);
  const double none = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> first(lattice.num_states + 1, 0);  // of the arcs of each state
  for (std::size_t s = 0; s < lattice.num_states; ++s) first[s + 1] = first[s] + lattice.states[s].arcs;
  Flow flow;
  flow.arcs.resize(first.back());
  flow.ends.resize(lattice.num_states);
  if (lattice.start == kNoState) return flow;
  std::vector<double> costs(lattice.num_states);
  for (std::size_t i = order.size(); i-- > 0;) {
    const StateId s = order[i];
    const auto arcs = lattice.arcs_of(s);
    double* const shares = flow.arcs.data() + first[s];
    work.steps(arcs.size() + 1);
    const double end = cost_of(W(lattice.states[s].final));
    double least = end;
    for (std::size_t k = 0; k < arcs.size(); ++k) {
      shares[k] = cost_of(W(arcs[k].weight)) + costs[arcs[k].nextstate];
      least = std::min(least, shares[k]);
    }
    costs[s] = none;
    if (least == none) {
      std::fill_n(shares, arcs.size(), 0.0);
      continue;
    }
    if (arcs.size() == 1 && end == none) {  // as most are, in the middle of a word
      costs[s] = least;
      shares[0] = 1;
      continue;
    }
    double sum = flow.ends[s] = end == none ? 0 : std::exp(least - end);
    for (std::size_t k = 0; k < arcs.size(); ++k) sum += shares[k] = std::exp(least - shares[k]);
    for (std::size_t k = 0; k < arcs.size(); ++k) shares[k] /= sum;
    flow.ends[s] /= sum;
    costs[s] = least - std::log(sum);
  }
  flow.total = costs[lattice.start];
  std::vector<double> come(lattice.num_states, 0.0);
  come[lattice.start] = flow.total == none ? 0 : 1;
  for (const StateId s : order) {
    const auto arcs = lattice.arcs_of(s);
    double* const shares = flow.arcs.data() + first[s];
    for (std::size_t k = 0; k < arcs.size(); ++k) come[arcs[k].nextstate] += shares[k] *= come[s];
    flow.ends[s] *= come[s];
  }
  return flow;
}

}  // namespace

template <class W>
std::vector<double> arc_posteriors(const View<W>& lattice) {
  return flow_of(lattice).arcs;
}

// Sums of what each arc has, by frame and transition-id: counted, then put in their places.
FramePosteriors by_frame(const View<LatticeWeight>& lattice, const LatticeTimes& times, std::span<const double> of_arcs) {
  struct Entry {
    std::int32_t label;
    double value;
  };
  FramePosteriors result;
  std::vector<std::uint32_t> place(std::size_t(times.frames) + 1, 0);
  const auto each = [&](auto visit) {
    std::size_t i = 0;
    for (StateId s = 0; s < StateId(lattice.num_states); ++s) {
      for (const Arc<LatticeWeight>& arc : lattice.arcs_of(s)) {
        const double value = of_arcs[i++];
        if (arc.ilabel && value != 0 && times.times[s] >= 0) visit(std::size_t(times.times[s]), arc.ilabel, value);
      }
    }
  };
  Label lowest = 0, highest = 0;
  each([&](std::size_t t, Label label, double) {
    ++place[t + 1];
    lowest = std::min(lowest, label);
    highest = std::max(highest, label);
  });
  std::partial_sum(place.begin(), place.end(), place.begin());
  std::vector<Entry> entries(place.back());
  std::vector<std::uint32_t> at = place;
  each([&](std::size_t t, Label label, double value) { entries[at[t]++] = {label, value}; });
  result.begin.assign(std::size_t(times.frames) + 1, 0);
  constexpr Label kMostSummed = 1 << 16;
  std::vector<double> sums(lowest == 0 && highest <= kMostSummed ? std::size_t(highest) + 1 : 0);
  std::vector<std::size_t> seen(sums.size(), 0);  // frame of a label's sum, from 1 on
  std::vector<Label> labels;
  for (std::size_t t = 0; t < std::size_t(times.frames); ++t) {
    const std::span<Entry> own(entries.data() + place[t], entries.data() + place[t + 1]);
    if (!sums.empty()) {  // few labels come many times
      labels.clear();
      for (const Entry& entry : own) {
        if (seen[entry.label] != t + 1) {
          seen[entry.label] = t + 1;
          sums[entry.label] = 0;
          labels.push_back(entry.label);
        }
        sums[entry.label] += entry.value;
      }
      std::ranges::sort(labels);
      for (const Label label : labels) {
        result.labels.push_back(label);
        result.probabilities.push_back(float(sums[label]));
      }
      result.begin[t + 1] = std::uint32_t(labels.size());
      continue;
    }
    std::ranges::sort(own, {}, &Entry::label);
    for (std::size_t e = 0; e < own.size();) {
      const std::int32_t label = own[e].label;
      double sum = 0;
      for (; e < own.size() && own[e].label == label; ++e) sum += own[e].value;
      result.labels.push_back(label);
      result.probabilities.push_back(float(sum));
      ++result.begin[t + 1];
    }
  }
  std::partial_sum(result.begin.begin(), result.begin.end(), result.begin.begin());
  return result;
}

FramePosteriors frame_posteriors(const View<LatticeWeight>& lattice) {
  const LatticeTimes times = lattice_times(lattice);
  const Flow flow = flow_of(lattice);
  double acoustic = 0;
  std::size_t i = 0;
  for (StateId s = 0; s < StateId(lattice.num_states); ++s) {
    for (const Arc<LatticeWeight>& arc : lattice.arcs_of(s)) {
      const double p = flow.arcs[i++];
      if (p > 0) acoustic -= p * arc.weight.acoustic;
    }
    if (const double p = flow.ends[s]; p > 0) acoustic -= p * lattice.states[s].final.acoustic;
  }
  FramePosteriors result = by_frame(lattice, times, flow.arcs);
  result.total = flow.total;
  result.acoustic = acoustic;
  return result;
}

FramePosteriors accuracy_posteriors(const View<LatticeWeight>& lattice, std::span<const float> accuracies) {
  Work work("posteriors of accuracy", lattice);
  if (accuracies.size() != lattice.num_arcs()) {
    work.fail(accuracies.size(), " accuracies for ", lattice.num_arcs(), " arcs; expected as many");
  }
  const LatticeTimes times = lattice_times(lattice);
  const LatticeCosts costs = lattice_costs(lattice, false);
  const std::vector<StateId> order = in_order(lattice, work);
  std::vector<std::size_t> first(lattice.num_states + 1, 0);  // of the arcs of each state
  for (std::size_t s = 0; s < lattice.num_states; ++s) first[s + 1] = first[s] + lattice.states[s].arcs;
  // Expected accuracy on the way to a state, and from there on.
  std::vector<double> before(lattice.num_states, 0), after(lattice.num_states, 0);
  const auto share = [](double part, double whole) { return std::isfinite(part) ? std::exp(whole - part) : 0; };
  double expected = 0;
  for (const StateId s : order) {
    std::size_t i = first[s];
    for (const Arc<LatticeWeight>& arc : lattice.arcs_of(s)) {
      const double part = share(costs.forward[s] + cost_of(arc.weight), costs.forward[arc.nextstate]);
      before[arc.nextstate] += part * (before[s] + accuracies[i++]);
    }
    expected += posterior_of_end(lattice, costs, s) * before[s];
  }
  std::vector<double> values(lattice.num_arcs());
  for (std::size_t at = order.size(); at-- > 0;) {
    const StateId s = order[at];
    std::size_t i = first[s];
    for (const Arc<LatticeWeight>& arc : lattice.arcs_of(s)) {
      after[s] += share(cost_of(arc.weight) + costs.backward[arc.nextstate], costs.backward[s]) *
                  (after[arc.nextstate] + accuracies[i]);
      values[i] = posterior(costs, s, arc) * (before[s] + accuracies[i] + after[arc.nextstate] - expected);
      ++i;
    }
  }
  FramePosteriors result = by_frame(lattice, times, values);
  result.total = expected;
  return result;
}

std::vector<std::int32_t> depth_per_frame(const View<CompactWeight>& lattice) {
  const LatticeTimes times = lattice_times(lattice);
  std::vector<std::int32_t> change(std::size_t(times.frames) + 1, 0);
  const auto cross = [&](std::int32_t from, std::uint32_t frames) {
    const std::size_t end = std::min(std::size_t(from) + frames, change.size() - 1);
    if (std::size_t(from) >= end) return;
    ++change[from];
    --change[end];
  };
  for (StateId s = 0; s < StateId(lattice.num_states); ++s) {
    if (times.times[s] < 0) continue;
    for (const Arc<CompactWeight>& arc : lattice.arcs_of(s)) cross(times.times[s], frames_of(arc));
    const CompactWeight final = lattice.states[s].final;
    if (!is_zero(final)) cross(times.times[s], final.length);
  }
  change.pop_back();
  std::partial_sum(change.begin(), change.end(), change.begin());
  return change;
}

CompactLattice limit_depth(const CompactLattice& lattice, std::size_t most) {
  const CompactLattice given = sorted(lattice, "limiting the depth").packed();
  const View<CompactWeight> view = given.view();
  Work work("limiting the depth", view);
  if (most == 0) work.fail("0 arcs of a frame; expected 1 or more");
  const LatticeTimes times = lattice_times(view);
  const LatticeCosts costs = lattice_costs(view, true);
  struct Crossing {
    double cost;
    std::uint32_t arc;
  };
  std::vector<std::vector<Crossing>> frames(std::size_t(times.frames));
  std::vector<char> dropped(view.num_arcs(), 0);
  std::uint32_t i = 0;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      const double cost = costs.forward[s] + cost_of(CompactWeight(arc.weight)) + costs.backward[arc.nextstate];
      const std::size_t end = std::size_t(times.times[s]) + std::size_t(frames_of(arc));
      work.steps(std::size_t(frames_of(arc)) + 1);
      if (times.times[s] >= 0) {
        for (std::size_t t = std::size_t(times.times[s]); t < std::min(end, frames.size()); ++t) {
          frames[t].push_back({cost, i});
        }
      }
      ++i;
    }
  }
  for (auto& crossings : frames) {
    if (crossings.size() <= most) continue;
    std::ranges::nth_element(crossings, crossings.begin() + std::ptrdiff_t(most), {}, &Crossing::cost);
    for (std::size_t at = most; at < crossings.size(); ++at) dropped[crossings[at].arc] = 1;
  }
  FstBuilder<CompactWeight> result;
  result.strings = *view.strings;
  i = 0;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    result.open(view.states[s].final);
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      if (!dropped[i++]) result.add(arc);
    }
  }
  result.start = view.start;
  return connect(result.finish());
}

template <class W>
Fst<W> add_word_penalty(const Fst<W>& lattice, float penalty) {
  if (!is_cost(penalty)) fst_error("a penalty of ", penalty, " for a word; expected a number");
  const View<W> view = lattice.view();
  FstBuilder<W> result;
  result.strings = *view.strings;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    result.open(view.states[s].final);
    for (Arc<W> arc : view.arcs_of(s)) {
      if (arc.olabel != 0) {
        W weight = arc.weight;
        if constexpr (has_strings<W>) weight.weight.graph += penalty;
        else weight.graph += penalty;
        arc.weight = weight;
      }
      result.add(arc);
    }
  }
  result.start = view.start;
  return result.finish();
}

template <class W>
std::int32_t longest_sentence(const View<W>& lattice) {
  const Work work("the longest sentence", lattice);
  const std::vector<StateId> order = in_order(lattice, work);
  std::vector<std::int32_t> words(lattice.num_states, -1);
  std::int32_t longest = 0;
  if (lattice.start != kNoState) words[lattice.start] = 0;
  for (const StateId s : order) {
    if (words[s] < 0) continue;
    if (!is_zero(W(lattice.states[s].final))) longest = std::max(longest, words[s]);
    for (const Arc<W>& arc : lattice.arcs_of(s)) {
      words[arc.nextstate] = std::max(words[arc.nextstate], words[s] + (arc.olabel != 0));
    }
  }
  return longest;
}

#define SONANT_INSTANTIATE(W)                                                     \
  template std::vector<StateId> in_order(const View<W>&, const Work&);            \
  template Fst<W> sorted(const Fst<W>&, const char*);                             \
  template LatticeCosts lattice_costs(const View<W>&, bool);                      \
  template LatticeTimes lattice_times(const View<W>&);                            \
  template std::vector<double> arc_posteriors(const View<W>&);                    \
  template Fst<W> add_word_penalty(const Fst<W>&, float);                         \
  template std::int32_t longest_sentence(const View<W>&);
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)

}  // namespace sonant

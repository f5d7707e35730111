#include "fst/random.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"

namespace sonant {

namespace {

// xoshiro256** 1.0 (Blackman and Vigna, TOMS 47, 2021), seeded by splitmix64: the same paths on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  static std::uint64_t rotated(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
  std::uint64_t next() {
    const std::uint64_t result = rotated(state_[1] * 5, 7) * 9, t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotated(state_[3], 45);
    return result;
  }
  std::uint64_t state_[4];
};

template <class W>
double cost_of(const W& w) {
  if constexpr (std::is_same_v<W, KwsIndexWeight>) return w.cost;
  else return measure<double>(w);
}

template <class W>
W weight_of_cost(double cost) {
  W w = W::one();
  const float value = static_cast<float>(cost);
  if constexpr (has_strings<W>) w.weight.graph = value;
  else if constexpr (W::floats == 1) w.value = value;
  else if constexpr (W::floats == 2) w.graph = value;
  else w.cost = value;
  return w;
}

// The arcs that a path takes, as places in the table of arcs.
template <class W>
class Walker {
 public:
  Walker(const View<W>& fst, const RandomOptions& options) : fst_(fst), options_(options), random_(options.seed), work_("random paths", fst) {}

  // False where the path is longer than it may be.
  bool walk(std::vector<std::uint32_t>& path) {
    path.clear();
    StateId s = fst_.start;
    while (true) {
      work_.step();
      const auto arcs = fst_.arcs_of(s);
      const std::size_t chosen = choose(s, arcs);
      if (chosen == arcs.size()) return true;
      if (static_cast<std::int64_t>(path.size()) >= options_.max_length) return false;
      path.push_back(static_cast<std::uint32_t>(fst_.states[s].begin + chosen));
      s = arcs[chosen].nextstate;
    }
  }

 private:
  // An arc, or their number: the path ends here.
  std::size_t choose(StateId s, std::span<const Arc<W>> arcs) {
    const W final = fst_.states[s].final;
    const std::size_t count = arcs.size() + !is_zero(final);
    if (options_.selection == ArcSelection::kUniform) {
      return std::min(count - 1, static_cast<std::size_t>(random_.uniform() * static_cast<double>(count)));
    }
    double least = cost_of(final);
    for (const Arc<W>& arc : arcs) least = std::min(least, cost_of(W(arc.weight)));
    double all = 0;
    odds_.clear();
    for (const Arc<W>& arc : arcs) odds_.push_back(all += std::exp(least - cost_of(W(arc.weight))));
    all += std::exp(least - cost_of(final));
    if (!(all > 0) || !std::isfinite(all)) fst_error("state ", s, " has weights that are no probabilities");
    const auto at = std::ranges::upper_bound(odds_, random_.uniform() * all) - odds_.begin();
    const auto place = static_cast<std::size_t>(at);
    return place < count ? place : count - 1;
  }

  const View<W>& fst_;
  const RandomOptions& options_;
  Random random_;
  std::vector<double> odds_;
  Work work_;
};

}  // namespace

template <class W>
Fst<W> random_paths(const Fst<W>& given, const RandomOptions& options) {
  const Fst<W> fst = connect(given);
  const View<W> view = fst.view();
  FstBuilder<W> result;
  if (view.start == kNoState) return result.finish();
  Walker<W> walker(view, options);
  const Work work("random paths", view);
  std::map<std::vector<std::uint32_t>, std::size_t> counts;
  std::vector<std::vector<std::uint32_t>> paths;
  std::vector<std::uint32_t> path;
  for (std::size_t i = 0; i < options.count; ++i) {
    if (!walker.walk(path)) continue;
    if (!options.weighted || counts[path]++ == 0) paths.push_back(path);
  }
  result.start = result.open();
  for (const auto& p : paths) {
    // The first arcs come first in the table: they all leave the start.
    result.add({0, 0, W::one(), kNoState});
    if (!p.empty()) {
      result.arcs.back().ilabel = view.arcs[p[0]].ilabel;
      result.arcs.back().olabel = view.arcs[p[0]].olabel;
    }
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    result.arcs[i].nextstate = static_cast<StateId>(result.states.size());
    work.made(result.states.size() + paths[i].size(), result.arcs.size());
    for (std::size_t k = 1; k < paths[i].size(); ++k) {
      const Arc<W>& arc = view.arcs[paths[i][k]];
      result.open();
      result.add({arc.ilabel, arc.olabel, W::one(), static_cast<StateId>(result.states.size())});
    }
    W final = W::one();
    if (options.weighted) {
      const auto times = static_cast<double>(counts[paths[i]]);
      final = weight_of_cost<W>(-std::log(options.remove_total ? times / static_cast<double>(options.count) : times));
    }
    result.open(final);
  }
  if (paths.empty()) return Fst<W>();
  return result.finish();
}

namespace {

// States matched in pairs from the start states on. Where several arcs are alike each way to pair them is tried, the
// last choice first to be taken back.
template <class W>
class Matching {
 public:
  Matching(const View<W>& a, const View<W>& b, float delta)
      : a_(a), b_(b), delta_(delta), left_(a.num_states, kNoState), right_(b.num_states, kNoState), work_("isomorphism", a) {}

  bool run() {
    if (a_.start == kNoState || b_.start == kNoState) return a_.start == b_.start;
    if (!pair(a_.start, b_.start)) return false;
    while (next_ < pairs_.size()) {
      const auto [s, t] = pairs_[next_];
      if (!assign(s, t, sorted(b_.arcs_of(t)), 0) && !take_back()) return false;
    }
    return true;
  }

 private:
  // Where there was another way: how far the matching was, and that way to order the arcs of the right state.
  struct Choice {
    std::size_t pairs, next, place;
    std::vector<std::uint32_t> order;
  };

  bool alike(const W& v, const W& w) const { return near(v, *a_.strings, w, *b_.strings, delta_); }

  bool pair(StateId s, StateId t) {
    if (left_[s] != kNoState || right_[t] != kNoState) return left_[s] == t && right_[t] == s;
    if (a_.states[s].arcs != b_.states[t].arcs || !alike(a_.states[s].final, b_.states[t].final)) return false;
    left_[s] = t;
    right_[t] = s;
    pairs_.push_back({s, t});
    return true;
  }

  static std::vector<std::uint32_t> sorted(std::span<const Arc<W>> arcs) {
    std::vector<std::uint32_t> order(arcs.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::stable_sort(order, [&](std::uint32_t x, std::uint32_t y) {
      const Arc<W>&p = arcs[x], &q = arcs[y];
      if (p.ilabel != q.ilabel) return p.ilabel < q.ilabel;
      return p.olabel < q.olabel;
    });
    return order;
  }

  // Pairs the arcs of two states from `place` on, and so where they lead; notes what else could be tried.
  bool assign(StateId s, StateId t, std::vector<std::uint32_t> right, std::size_t place) {
    const auto arcs = a_.arcs_of(s), others = b_.arcs_of(t);
    const std::vector<std::uint32_t> left = sorted(arcs);
    for (std::size_t i = place; i < left.size(); ++i) {
      work_.step();
      const Arc<W>& arc = arcs[left[i]];
      std::size_t found = right.size();
      for (std::size_t k = i; k < right.size(); ++k) {
        const Arc<W>& other = others[right[k]];
        if (other.ilabel != arc.ilabel || other.olabel != arc.olabel) break;
        if (left_[arc.nextstate] != kNoState ? left_[arc.nextstate] != other.nextstate
                                             : right_[other.nextstate] != kNoState) {
          continue;
        }
        if (!alike(arc.weight, other.weight)) continue;
        if (found == right.size()) {
          found = k;
        } else {
          std::vector<std::uint32_t> order = right;
          std::swap(order[i], order[k]);
          tried_ += order.size() + 1;
          if (tried_ > 10000000) too_many();
          choices_.push_back({pairs_.size(), next_, i, std::move(order)});
        }
        if (left_[arc.nextstate] != kNoState) break;
      }
      if (found == right.size()) return false;
      std::swap(right[i], right[found]);
      if (!pair(arc.nextstate, others[right[i]].nextstate)) return false;
    }
    ++next_;
    return true;
  }

  [[noreturn]] static void too_many() {
    fst_error("isomorphic: too many arcs have the same labels and weights to try all ways to pair them; ",
              "determinize both automata first");
  }

  bool take_back() {
    while (!choices_.empty()) {
      if (++taken_back_ > 1000000) too_many();
      const Choice choice = std::move(choices_.back());
      choices_.pop_back();
      for (; pairs_.size() > choice.pairs; pairs_.pop_back()) {
        left_[pairs_.back().first] = kNoState;
        right_[pairs_.back().second] = kNoState;
      }
      next_ = choice.next;
      const auto [s, t] = pairs_[next_];
      const StateId from = a_.arcs_of(s)[sorted(a_.arcs_of(s))[choice.place]].nextstate;
      if (pair(from, b_.arcs_of(t)[choice.order[choice.place]].nextstate) &&
          assign(s, t, choice.order, choice.place + 1)) {
        return true;
      }
    }
    return false;
  }

  const View<W>&a_, &b_;
  const float delta_;
  std::vector<StateId> left_, right_;
  std::vector<std::pair<StateId, StateId>> pairs_;
  std::vector<Choice> choices_;
  std::size_t next_ = 0;
  std::uint64_t tried_ = 0, taken_back_ = 0;
  Work work_;
};

}  // namespace

template <class W>
bool isomorphic(const View<W>& a, const View<W>& b, float delta) {
  return Matching<W>(a, b, delta).run();
}

#define SONANT_INSTANTIATE(W)                                              \
  template Fst<W> random_paths(const Fst<W>&, const RandomOptions&);       \
  template bool isomorphic(const View<W>&, const View<W>&, float);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

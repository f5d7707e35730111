// The best path and the n best.
//
// The n best are found from the start in the order of the cost of the best path that they begin, which the distances
// to the final states tell exactly (A*; for different strings over determinized states: Mohri and Riley, "An efficient
// algorithm for the n-best-strings problem", ICSLP 2002). Costs are counted from the best path's on, as sums of
// what each arc costs more than the best one there, so that ties are ties.
#include <algorithm>
#include <queue>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/structure.h"

namespace sonant {

namespace {

constexpr const char* kShortestPath = "shortest path";

// An arc as it is in the automaton.
struct Step {
  StateId state;
  std::uint32_t arc;
};

// Paths side by side from one start state.
template <class W>
class PathWriter {
 public:
  PathWriter(const View<W>& fst, const PathOptions& options)
      : fst_(fst), options_(options), work_(kShortestPath, fst) {
    result_.strings = *fst.strings;
    result_.start = result_.open();
  }

  // False where the limit of states would be passed: nothing is written then.
  bool add(const std::vector<Step>& steps, const W& final) {
    const std::int64_t states = static_cast<std::int64_t>(result_.states.size() + std::max<std::size_t>(steps.size(), 1));
    if (options_.most_states >= 0 && states > options_.most_states) return false;
    work_.made(static_cast<std::size_t>(states), firsts_.size() + result_.arcs.size());
    if (steps.empty()) {
      empty_ = true;
      empty_final_ = final;
      return true;
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      Arc<W> arc = fst_.arcs_of(steps[i].state)[steps[i].arc];
      arc.nextstate = static_cast<StateId>(result_.states.size());
      if (i == 0) firsts_.push_back(arc);
      else result_.add(arc);
      result_.open(i + 1 == steps.size() ? final : W::zero());
    }
    return true;
  }

  Fst<W> finish() {
    if (firsts_.empty() && !empty_) return Fst<W>();
    // The start state's arcs come first in the table.
    Array<Arc<W>> arcs;
    arcs.reserve(firsts_.size() + result_.arcs.size());
    arcs.append(firsts_.begin(), firsts_.end());
    arcs.append(result_.arcs.begin(), result_.arcs.end());
    result_.arcs = std::move(arcs);
    result_.states[0].arcs = static_cast<std::uint32_t>(firsts_.size());
    if (empty_) result_.states[0].final = empty_final_;
    using namespace properties;
    return result_.finish(kNothingKnown | kAcyclic | kInitialAcyclic | kTopSorted | kAccessible | kCoAccessible);
  }

 private:
  const View<W>& fst_;
  const PathOptions& options_;
  FstBuilder<W> result_;
  std::vector<Arc<W>> firsts_;
  const Work work_;
  bool empty_ = false;
  W empty_final_ = W::zero();
};

template <class W>
Fst<W> best_path(const View<W>& fst, const PathOptions& options) {
  using D = Natural<W>;
  std::vector<D> distance(fst.num_states, unreached<D>());
  std::vector<Parent> parents(fst.num_states);
  distance[fst.start] = measure<D>(W::one());
  find_best(fst, distance, &parents, true, kShortestPath);
  D best = unreached<D>();
  StateId last = kNoState;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    if (is_unreached(distance[s]) || is_zero(W(fst.states[s].final))) continue;
    const D all = joined(distance[s], measure<D>(W(fst.states[s].final)));
    if (!better(all, best)) continue;
    best = all;
    last = s;
  }
  PathWriter<W> paths(fst, options);
  if (last == kNoState) return paths.finish();
  std::vector<Step> steps;
  for (StateId s = last; parents[s].state != kNoState; s = parents[s].state) {
    steps.push_back({parents[s].state, parents[s].arc});
  }
  std::ranges::reverse(steps);
  paths.add(steps, fst.states[last].final);
  return paths.finish();
}

// What the searches know of each state.
struct Ahead {
  std::vector<double> cost;         // to a final state
  std::vector<std::uint32_t> arcs;  // of that best path
};

// `among`, if any: these states alone.
template <class W>
Ahead look_ahead(const View<W>& fst, const std::vector<StateId>* among) {
  Ahead ahead;
  std::vector<Parent> parents(fst.num_states);
  ahead.cost.assign(fst.num_states, unreached<double>());
  const std::size_t count = among ? among->size() : fst.num_states;
  for (std::size_t i = 0; i < count; ++i) {
    const StateId s = among ? (*among)[i] : StateId(i);
    ahead.cost[s] = measure<double>(W(fst.states[s].final));
  }
  find_best_backward(fst, ahead.cost, &parents, kShortestPath, among);
  constexpr std::uint32_t kUnknown = 0xffffffff;
  ahead.arcs.assign(fst.num_states, kUnknown);
  std::vector<StateId> path;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    StateId at = s;
    for (; ahead.arcs[at] == kUnknown && parents[at].state != kNoState; at = parents[at].state) path.push_back(at);
    if (ahead.arcs[at] == kUnknown) ahead.arcs[at] = 0;
    for (std::uint32_t n = ahead.arcs[at]; !path.empty(); path.pop_back()) ahead.arcs[path.back()] = ++n;
  }
  return ahead;
}

// What costs more than the best paths that are known already need not be kept.
class Bound {
 public:
  Bound(std::size_t count, double threshold) : count_(count), threshold_(threshold) {}
  bool holds(double over) const { return over <= threshold_ && (best_.size() < count_ || over <= best_.top()); }
  void know(double over) {
    best_.push(over);
    if (best_.size() > count_) best_.pop();
  }

 private:
  std::size_t count_;
  double threshold_;
  std::priority_queue<double> best_;
};

// Of equal costs the one nearest to its end comes first, or a search might spread over all of them.
struct Candidate {
  double over;  // the cost of the best path through it over that of the best of all
  std::uint32_t arcs_left;
  std::uint32_t node;
  bool final;
  bool operator<(const Candidate& other) const {  // later
    if (over != other.over) return over > other.over;
    if (arcs_left != other.arcs_left) return arcs_left > other.arcs_left;
    return node > other.node;
  }
};

// Rounding must not make the best arc of a state cost anything, nor another one less than nothing.
double more(double cost, double best) { return std::max(0.0, cost - best); }

template <class W>
Fst<W> n_best_paths(const View<W>& fst, const Ahead& ahead, const PathOptions& options, bool& all) {
  struct Node {
    std::uint32_t parent;
    StateId from;
    std::uint32_t arc;
    StateId state;
  };
  PathWriter<W> paths(fst, options);
  if (is_unreached(ahead.cost[fst.start])) return paths.finish();
  Bound bound(options.count, options.threshold);
  std::vector<Node> nodes = {{0, kNoState, 0, fst.start}};
  std::vector<std::uint32_t> times_taken(fst.num_states, 0);
  std::priority_queue<Candidate> queue;
  queue.push({0, ahead.arcs[fst.start], 0, false});
  bound.know(0);
  Work work(kShortestPath, fst);
  std::vector<Step> path;
  for (std::size_t found = 0; found < options.count && !queue.empty();) {
    const Candidate next = queue.top();
    queue.pop();
    work.step();
    const StateId s = nodes[next.node].state;
    if (next.final) {
      path.clear();
      for (std::uint32_t n = next.node; n != 0; n = nodes[n].parent) path.push_back({nodes[n].from, nodes[n].arc});
      std::ranges::reverse(path);
      if (!paths.add(path, fst.states[s].final)) break;
      all = ++found == options.count;
      continue;
    }
    if (times_taken[s]++ >= options.count) continue;  // there are enough better ways to here
    const double best = ahead.cost[s];
    bool on_the_way = false;  // one way on is that of the path that is known already
    const auto offer = [&](double over, std::uint32_t arcs_left, bool final, auto node) {
      if (over == next.over && !on_the_way) on_the_way = true;
      else if (!bound.holds(over)) return;
      else bound.know(over);
      queue.push({over, arcs_left, node(), final});
    };
    if (!is_zero(W(fst.states[s].final))) {
      offer(next.over + more(measure<double>(W(fst.states[s].final)), best), 0, true, [&] { return next.node; });
    }
    const auto arcs = fst.arcs_of(s);
    work.steps(arcs.size());
    for (std::uint32_t i = 0; i < arcs.size(); ++i) {
      const double left = ahead.cost[arcs[i].nextstate], cost = measure<double>(W(arcs[i].weight));
      if (is_unreached(left) || is_unreached(cost)) continue;
      offer(next.over + more(cost + left, best), ahead.arcs[arcs[i].nextstate] + 1, false, [&] {
        if (nodes.size() >= 0xfffffff0) work.fail("the n best paths need more memory than a search may take; ask for fewer");
        nodes.push_back({next.node, s, i, arcs[i].nextstate});
        return static_cast<std::uint32_t>(nodes.size() - 1);
      });
    }
  }
  return paths.finish();
}

// Prefixes of input strings; each with the states that it leads to, by their best ways.
template <class W>
class StringSearch {
 public:
  StringSearch(const View<W>& fst, const Ahead& ahead, const PathOptions& options)
      : fst_(fst), options_(options), ahead_(ahead), bound_(options.count, options.threshold),
        place_(fst.num_states, 0), work_(kShortestPath, fst) {}

  // `all`: whether there are as many as were asked for.
  Fst<W> run(bool& all) {
    PathWriter<W> paths(fst_, options_);
    if (is_unreached(ahead_.cost[fst_.start])) return paths.finish();
    bound_.know(0);
    ways_.push_back({fst_.start, 0, 0, {kNoState, 0}});
    close(0);
    on_the_way_ = false;
    queue_.push(candidate(static_cast<std::uint32_t>(nodes_.size() - 1)));
    std::vector<Step> path;
    for (std::size_t found = 0; found < options_.count && !queue_.empty();) {
      const Candidate next = queue_.top();
      queue_.pop();
      if (!next.final) {
        expand(next);
        continue;
      }
      const std::uint32_t last = best_end(next.node);
      path.clear();
      for (std::uint32_t w = last; ways_[w].step.state != kNoState; w = ways_[w].before) path.push_back(ways_[w].step);
      std::ranges::reverse(path);
      if (!paths.add(path, fst_.states[ways_[last].state].final)) break;
      all = ++found == options_.count;
    }
    return paths.finish();
  }

 private:
  struct Way {
    StateId state;
    double over;
    std::uint32_t before;  // the way that this one goes on from
    Step step;
  };
  struct Node {
    std::uint32_t begin, end;  // of its ways
  };
  struct Move {
    Label label;
    Way way;
  };

  Candidate candidate(std::uint32_t node) const {
    const Way* best = &ways_[nodes_[node].begin];
    for (std::uint32_t w = nodes_[node].begin; w < nodes_[node].end; ++w) {
      if (ways_[w].over < best->over) best = &ways_[w];
    }
    return {best->over, ahead_.arcs[best->state], node, false};
  }

  // From way `w` along arc i.
  bool along(std::uint32_t w, std::uint32_t i, Way& to) const {
    const Way& from = ways_[w];
    const Arc<W>& arc = fst_.arcs_of(from.state)[i];
    const double left = ahead_.cost[arc.nextstate], cost = measure<double>(W(arc.weight));
    if (is_unreached(left) || is_unreached(cost)) return false;
    to = {arc.nextstate, from.over + more(cost + left, ahead_.cost[from.state]), w, {from.state, i}};
    return to.over <= options_.threshold;
  }

  // Makes a node of the ways from `begin` on: one, the best, to each state, followed through epsilons.
  void close(std::size_t begin) {
    using Entry = std::pair<double, Way>;
    const auto later = [](const Entry& a, const Entry& b) { return a.first > b.first; };
    std::vector<Entry> heap;
    for (std::size_t w = begin; w < ways_.size(); ++w) heap.emplace_back(ways_[w].over, ways_[w]);
    ways_.resize(begin);
    std::ranges::make_heap(heap, later);
    while (!heap.empty()) {
      const Way way = heap.front().second;
      std::ranges::pop_heap(heap, later);
      heap.pop_back();
      std::uint32_t& place = place_[way.state];
      if (place > begin && place <= ways_.size() && ways_[place - 1].state == way.state) continue;
      if (ways_.size() >= 0xfffffff0) work_.fail("the n best strings need more memory than a search may take; ask for fewer");
      ways_.push_back(way);
      place = static_cast<std::uint32_t>(ways_.size());
      const auto arcs = fst_.arcs_of(way.state);
      work_.steps(arcs.size() + 1);
      if (fst_.states[way.state].iepsilons == 0) continue;
      for (std::uint32_t i = 0; i < arcs.size(); ++i) {
        Way to;
        if (arcs[i].ilabel != 0 || !along(place - 1, i, to)) continue;
        heap.emplace_back(to.over, to);
        std::ranges::push_heap(heap, later);
      }
    }
    nodes_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(ways_.size())});
  }

  double end_over(const Way& way) const {
    const W final = fst_.states[way.state].final;
    if (is_zero(final)) return unreached<double>();
    return way.over + more(measure<double>(final), ahead_.cost[way.state]);
  }
  std::uint32_t best_end(std::uint32_t node) const {
    std::uint32_t best = nodes_[node].begin;
    for (std::uint32_t w = best; w < nodes_[node].end; ++w) {
      if (end_over(ways_[w]) < end_over(ways_[best])) best = w;
    }
    return best;
  }

  bool wanted(double over, double of_parent) {
    if (over == of_parent && !on_the_way_) return on_the_way_ = true;
    if (!bound_.holds(over)) return false;
    bound_.know(over);
    return true;
  }

  void expand(const Candidate& from) {
    const Node node = nodes_[from.node];
    on_the_way_ = false;
    if (const double over = end_over(ways_[best_end(from.node)]); !is_unreached(over) && wanted(over, from.over)) {
      queue_.push({over, 0, from.node, true});
    }
    moves_.clear();
    for (std::uint32_t w = node.begin; w < node.end; ++w) {
      const auto arcs = fst_.arcs_of(ways_[w].state);
      work_.steps(arcs.size() + 1);
      for (std::uint32_t i = 0; i < arcs.size(); ++i) {
        Way to;
        if (arcs[i].ilabel != 0 && along(w, i, to)) moves_.push_back({arcs[i].ilabel, to});
      }
    }
    std::ranges::stable_sort(moves_, {}, [](const Move& move) { return move.label; });
    for (std::size_t i = 0, end = 0; i < moves_.size(); i = end) {
      double best = unreached<double>();
      for (end = i; end < moves_.size() && moves_[end].label == moves_[i].label; ++end) {
        best = std::min(best, moves_[end].way.over);
      }
      if (!wanted(best, from.over)) continue;
      const std::size_t begin = ways_.size();
      for (std::size_t k = i; k < end; ++k) ways_.push_back(moves_[k].way);
      close(begin);
      queue_.push(candidate(static_cast<std::uint32_t>(nodes_.size() - 1)));
    }
  }

  const View<W>& fst_;
  const PathOptions& options_;
  const Ahead& ahead_;
  Bound bound_;
  std::vector<std::uint32_t> place_;  // one more than the last way to a state
  std::vector<Way> ways_;
  std::vector<Node> nodes_;
  std::vector<Move> moves_;
  std::priority_queue<Candidate> queue_;
  Work work_;
  bool on_the_way_ = false;
};

}  // namespace

template <class W>
Fst<W> shortest_path(const View<W>& fst, const PathOptions& options) {
  if (fst.start == kNoState || options.count == 0) return Fst<W>();
  if (options.count == 1) return best_path(fst, options);
  const auto search = [&](const Ahead& ahead, const PathOptions& within, bool& all) {
    all = false;
    return options.unique ? StringSearch<W>(fst, ahead, within).run(all) : n_best_paths(fst, ahead, within, all);
  };
  bool all = false;
  // Of a large automaton the best paths mostly lie near the start: twice as far each time that they do not.
  constexpr std::size_t kLarge = 20000, kNear = 16;
  if (fst.num_states >= kLarge) {
    Nearest<W> nearest(fst, kShortestPath);
    for (std::size_t more = fst.num_states / kNear; nearest.usable() && more < fst.num_states / 2; more *= 2) {
      const double others = nearest.take(more);
      if (is_unreached(others)) break;
      const Ahead ahead = look_ahead(fst, &nearest.taken());
      const double sure = (others - ahead.cost[fst.start]) * (1 - 1e-9);  // what costs less over the best is all here
      if (!(sure > 0)) continue;
      PathOptions within = options;
      within.threshold = std::min(options.threshold, sure);
      Fst<W> found = search(ahead, within, all);
      if (all || within.threshold == options.threshold) return found;
    }
  }
  return search(look_ahead(fst, nullptr), options, all);
}

#define SONANT_INSTANTIATE(W) template Fst<W> shortest_path(const View<W>&, const PathOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)

}  // namespace sonant

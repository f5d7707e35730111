#include "fst/distance.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "fst/structure.h"
#include "fst/walk.h"

namespace sonant {

namespace {

struct Shape {
  bool sorted = true;       // every arc leads to a later state
  bool nonnegative = true;  // no weight is better than one
};

// FstError where a weight is no cost.
template <class D, class W>
Shape shape_of(const View<W>& fst, const Work& work) {
  Shape shape;
  const D one = measure<D>(W::one());
  bool costs = true;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    costs &= is_member(W(fst.states[s].final));
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      costs &= is_member(W(arc.weight));
      shape.sorted &= arc.nextstate > s;
      shape.nonnegative &= !better(measure<D>(W(arc.weight)), one);
    }
  }
  if (!costs) check_costs(fst, work);
  return shape;
}

[[noreturn]] void negative_cycle(StateId s, const Work& work) {
  work.fail("a cycle through state ", s, " has a negative cost, so there is no shortest path; remove the cycle or raise "
            "its weights");
}

// `Graph`: the automaton itself, or its arcs turned.
template <class D, class W, class Graph>
class BestSearch {
  static constexpr bool kBackward = !std::is_same_v<Graph, View<W>>;

 public:
  BestSearch(const View<W>& fst, const Graph& graph, std::vector<D>& distance, std::vector<Parent>* parents,
             const char* operation)
      : fst_(fst), graph_(graph), distance_(distance), parents_(parents), work_(operation, fst) {}
  void leave_out(const std::vector<double>& to_go, double limit) {
    to_go_ = &to_go;
    limit_ = limit;
  }

  void run(bool until_final) {
    const Shape shape = shape_of<D>(fst_, work_);
    const auto n = static_cast<StateId>(fst_.num_states);
    if (shape.sorted) {
      for (StateId s = 0; s < n; ++s) relax(kBackward ? n - 1 - s : s, [](StateId) {});
    } else if (shape.nonnegative) {
      for (StateId s = 0; s < n; ++s) {
        if (!is_unreached(distance_[s])) push(s);
      }
      nearest_first(until_final, [](StateId) { return true; });
    } else {
      by_components();
    }
  }

 private:
  struct Entry {
    D distance;
    StateId state;
  };

  // Tells `improved` of each destination whose distance gets better.
  template <class Improved>
  void relax(StateId s, Improved improved) {
    const D from = distance_[s];
    if (is_unreached(from)) return;
    const auto arcs = graph_.arcs_of(s);
    work_.steps(arcs.size());
    for (std::uint32_t i = 0; i < arcs.size(); ++i) {
      const auto& arc = arcs[i];
      const D through = joined(from, cost_of(arc));
      if (!better(through, distance_[arc.nextstate])) continue;
      if constexpr (std::is_same_v<D, double>) {
        if (to_go_ && !(through + (*to_go_)[arc.nextstate] <= limit_)) continue;
      }
      distance_[arc.nextstate] = through;
      if (parents_) (*parents_)[arc.nextstate] = {s, i};
      improved(arc.nextstate);
    }
  }

  template <class Any>
  static D cost_of(const Any& arc) {
    const auto weight = arc.weight;
    return measure<D>(weight);
  }
  static bool later(const Entry& a, const Entry& b) { return better(b.distance, a.distance); }
  void push(StateId s) {
    heap_.push_back({distance_[s], s});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  // Dijkstra's algorithm from what is in the heap, within the states that `within` takes.
  template <class Within>
  void nearest_first(bool until_final, Within within) {
    D best = unreached<D>();
    if (until_final) {  // stopping early needs final weights that make nothing better
      for (std::size_t s = 0; s < fst_.num_states && until_final; ++s) {
        until_final = !better(measure<D>(W(fst_.states[s].final)), measure<D>(W::one()));
      }
    }
    while (!heap_.empty()) {
      const Entry entry = heap_[0];
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      if (better(distance_[entry.state], entry.distance)) continue;  // an old entry
      if (until_final) {
        if (!better(entry.distance, best)) break;
        const D here = joined(entry.distance, measure<D>(W(fst_.states[entry.state].final)));
        if (better(here, best)) best = here;
      }
      relax(entry.state, [&](StateId to) {
        if (within(to)) push(to);
      });
    }
    heap_.clear();
  }

  void by_components() {
    const Walk walked = walk(fst_);
    const Components order = in_order(walked);
    const D one = measure<D>(W::one());
    std::vector<std::uint32_t> times_queued;
    std::vector<char> queued;
    std::deque<StateId> queue;
    const std::size_t count = order.begin.size() - 1;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t c = kBackward ? count - 1 - i : i;
      const auto states = std::span(order.states).subspan(order.begin[c], order.begin[c + 1] - order.begin[c]);
      const std::int32_t component = walked.component[states[0]];
      const auto inside = [&](StateId s) { return walked.component[s] == component; };
      if (states.size() == 1) {
        const StateId s = states[0];
        if (is_unreached(distance_[s])) continue;
        for (const auto& arc : graph_.arcs_of(s)) {
          if (arc.nextstate == s && better(cost_of(arc), one)) negative_cycle(s, work_);
        }
        relax(s, [](StateId) {});
        continue;
      }
      bool nonnegative = true;
      for (const StateId s : states) {
        for (const auto& arc : graph_.arcs_of(s)) {
          nonnegative &= !inside(arc.nextstate) || !better(cost_of(arc), one);
        }
      }
      if (nonnegative) {
        for (const StateId s : states) {
          if (!is_unreached(distance_[s])) push(s);
        }
        nearest_first(false, inside);
        continue;
      }
      // Bellman and Ford: a best path within n states has fewer than n arcs, so a state that is queued n times and
      // still gets better lies on a negative cycle.
      times_queued.resize(fst_.num_states, 0);
      queued.resize(fst_.num_states, 0);
      const auto enqueue = [&](StateId s) {
        if (!inside(s) || queued[s]) return;
        if (++times_queued[s] > states.size() + 1) negative_cycle(s, work_);
        queued[s] = 1;
        queue.push_back(s);
      };
      for (const StateId s : states) {
        if (!is_unreached(distance_[s])) enqueue(s);
      }
      while (!queue.empty()) {
        const StateId s = queue.front();
        queue.pop_front();
        queued[s] = 0;
        relax(s, enqueue);
      }
    }
  }

  const View<W>& fst_;
  const Graph& graph_;
  std::vector<D>& distance_;
  std::vector<Parent>* parents_;
  const std::vector<double>* to_go_ = nullptr;
  double limit_ = 0;
  Array<Entry> heap_;
  Work work_;
};

}  // namespace

template <class D, class W>
void find_best(const View<W>& fst, std::vector<D>& distance, std::vector<Parent>* parents, bool until_final,
               const char* operation) {
  BestSearch<D, W, View<W>>(fst, fst, distance, parents, operation).run(until_final);
}

template <class D, class W>
void find_best_backward(const View<W>& fst, std::vector<D>& distance, std::vector<Parent>* parents,
                        const char* operation, const std::vector<StateId>* among) {
  const Backward<W> back(fst, among);
  BestSearch<D, W, Backward<W>>(fst, back, distance, parents, operation).run(false);
}

template <class W>
void find_best_within(const View<W>& fst, std::vector<double>& distance, const std::vector<double>& to_go, double limit,
                      const char* operation) {
  BestSearch<double, W, View<W>> search(fst, fst, distance, nullptr, operation);
  search.leave_out(to_go, limit);
  search.run(false);
}

template <class W>
Backward<W>::Backward(const View<W>& fst, const std::vector<StateId>* among) : begin(fst.num_states + 1, 0) {
  const auto each_arc = [&](StateId s, auto body) {
    const auto arcs = fst.arcs_of(s);
    for (std::size_t i = arcs.size(); i-- > 0;) body(arcs[i]);
  };
  const auto each_state = [&](auto body) {
    for (std::size_t i = among ? among->size() : fst.num_states; i-- > 0;) body(among ? (*among)[i] : StateId(i));
  };
  each_state([&](StateId s) { each_arc(s, [&](const Arc<W>& arc) { ++begin[arc.nextstate]; }); });
  std::uint32_t at = 0;
  for (std::uint32_t& b : begin) at = b += at;  // where those of each state end
  edges.resize_for_overwrite(at);
  each_state([&](StateId s) {
    each_arc(s, [&](const Arc<W>& arc) {
      if constexpr (has_strings<W>) edges[--begin[arc.nextstate]] = {s, arc.weight.weight};
      else edges[--begin[arc.nextstate]] = {s, arc.weight};
    });
  });
}

template <class W>
Nearest<W>::Nearest(const View<W>& fst, const char* operation)
    : fst_(fst), work_(operation, fst), usable_(shape_of<double>(fst, work_).nonnegative),
      cost_(fst.num_states, unreached<double>()) {
  for (std::size_t s = 0; s < fst.num_states && usable_; ++s) usable_ = !(measure<double>(W(fst.states[s].final)) < 0);
  cost_[fst.start] = 0;
  heap_.push_back({0, fst.start});
}

template <class W>
double Nearest<W>::take(std::size_t more) {
  while (!heap_.empty()) {
    const auto [cost, s] = heap_.front();
    if (cost > cost_[s]) {  // an old entry
      std::ranges::pop_heap(heap_, later);
      heap_.pop_back();
      continue;
    }
    if (more-- == 0) return cost;
    std::ranges::pop_heap(heap_, later);
    heap_.pop_back();
    taken_.push_back(s);
    const auto arcs = fst_.arcs_of(s);
    work_.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) {
      const double through = cost + measure<double>(W(arc.weight));
      if (!(through < cost_[arc.nextstate])) continue;
      cost_[arc.nextstate] = through;
      heap_.push_back({through, arc.nextstate});
      std::ranges::push_heap(heap_, later);
    }
  }
  return unreached<double>();
}

namespace {

[[noreturn]] void no_finite_sum(StateId s, const Work& work) {
  work.fail("the paths of a cycle through state ", s, " have no finite sum: its probability is one or more; remove the "
            "cycle or raise its weights");
}

constexpr std::size_t kMostRounds = 100000;

}  // namespace

void find_sums(const View<LogWeight>& fst, std::vector<LogSum>& distance, double delta, const char* operation) {
  Work work(operation, fst);
  const auto n = static_cast<StateId>(fst.num_states);
  const auto follow = [&](StateId s, StateId except, double from) {
    const auto arcs = fst.arcs_of(s);
    work.steps(arcs.size() + 1);
    for (const Arc<LogWeight>& arc : arcs) {
      if (arc.nextstate != except) distance[arc.nextstate].add(from + arc.weight.value);
    }
  };
  if (shape_of<double>(fst, work).sorted) {
    for (StateId s = 0; s < n; ++s) {
      if (!distance[s].empty()) follow(s, kNoState, distance[s].value());
    }
    return;
  }
  const Walk walked = walk(fst);
  const Components order = in_order(walked);
  std::vector<LogSum> rest;  // what has come to a state since it was last followed
  std::vector<char> queued;
  std::deque<StateId> queue;
  for (std::size_t c = 0; c + 1 < order.begin.size(); ++c) {
    const auto states = std::span(order.states).subspan(order.begin[c], order.begin[c + 1] - order.begin[c]);
    if (states.size() == 1) {  // a loop of probability p is followed 1 / (1 - p) times
      const StateId s = states[0];
      if (distance[s].empty()) continue;
      LogSum loop;
      for (const Arc<LogWeight>& arc : fst.arcs_of(s)) {
        if (arc.nextstate == s) loop.add(arc.weight.value);
      }
      if (!loop.empty()) {
        if (loop.value() <= 0) no_finite_sum(s, work);
        const double all = distance[s].value() + std::log(-std::expm1(-loop.value()));
        distance[s] = {};
        distance[s].add(all);
      }
      follow(s, s, distance[s].value());
      continue;
    }
    const std::int32_t component = walked.component[states[0]];
    const auto inside = [&](StateId s) { return walked.component[s] == component; };
    rest.resize(fst.num_states);
    queued.resize(fst.num_states, 0);
    for (const StateId s : states) {
      rest[s] = distance[s];
      if (rest[s].empty()) continue;
      queued[s] = 1;
      queue.push_back(s);
    }
    const std::size_t most = kMostRounds * states.size();
    for (std::size_t taken = 0; !queue.empty(); ++taken) {
      if (taken > most) no_finite_sum(queue.front(), work);
      const StateId s = queue.front();
      queue.pop_front();
      queued[s] = 0;
      const double from = rest[s].value();
      rest[s] = {};
      const auto arcs = fst.arcs_of(s);
      work.steps(arcs.size() + 1);
      for (const Arc<LogWeight>& arc : arcs) {
        const StateId to = arc.nextstate;
        if (!inside(to)) continue;
        distance[to].add(from + arc.weight.value);
        rest[to].add(from + arc.weight.value);
        // Of a sum, a part of e^-x that is still to come changes the cost by about e^-x.
        if (!queued[to] && !rest[to].empty() && rest[to].value() - distance[to].value() < -std::log(delta)) {
          queued[to] = 1;
          queue.push_back(to);
        }
      }
    }
    for (const StateId s : states) {
      if (distance[s].empty()) continue;
      const double from = distance[s].value();
      for (const Arc<LogWeight>& arc : fst.arcs_of(s)) {
        if (!inside(arc.nextstate)) distance[arc.nextstate].add(from + arc.weight.value);
      }
    }
  }
}

namespace {

template <class W>
StateId source_of(const View<W>& fst, StateId source) {
  if (source == kNoState) return fst.start;
  if (!fst.has(source)) {
    fst_error<FstIndexError>("the source, state ", source, ", is not there; the automaton has ", fst.num_states,
                             " states");
  }
  return source;
}

}  // namespace

template <class D, class W>
std::vector<D> best_distances(const View<W>& fst, Direction direction, StateId source, std::vector<Parent>* parents,
                              const char* operation) {
  std::vector<D> distance(fst.num_states, unreached<D>());
  if (parents) parents->assign(fst.num_states, {});
  source = source_of(fst, source);
  if (direction == Direction::kForward) {
    if (source == kNoState) return distance;
    distance[source] = measure<D>(W::one());
    find_best(fst, distance, parents, false, operation);
    return distance;
  }
  const auto n = static_cast<StateId>(fst.num_states);
  for (StateId s = 0; s < n; ++s) distance[s] = measure<D>(W(fst.states[s].final));
  Work work(operation, fst);
  if (shape_of<D>(fst, work).sorted) {
    for (StateId s = n - 1; s >= 0; --s) {
      const auto arcs = fst.arcs_of(s);
      work.steps(arcs.size() + 1);
      D best = distance[s];
      for (std::uint32_t i = 0; i < arcs.size(); ++i) {
        const D through = joined(measure<D>(W(arcs[i].weight)), distance[arcs[i].nextstate]);
        if (!better(through, best)) continue;
        best = through;
        if (parents) (*parents)[s] = {arcs[i].nextstate, i};
      }
      distance[s] = best;
    }
    return distance;
  }
  find_best_backward(fst, distance, static_cast<std::vector<Parent>*>(nullptr), operation);
  return distance;
}

namespace {

std::vector<LogWeight> sums(const View<LogWeight>& fst, const DistanceOptions& options) {
  std::vector<LogSum> distance(fst.num_states);
  const StateId source = source_of(fst, options.source);
  const auto n = static_cast<StateId>(fst.num_states);
  if (options.direction == Direction::kForward) {
    if (source != kNoState) {
      distance[source].add(0);
      find_sums(fst, distance, options.delta, options.operation);
    }
  } else {
    for (StateId s = 0; s < n; ++s) distance[s].add(fst.states[s].final.value);
    Work work(options.operation, fst);
    if (shape_of<double>(fst, work).sorted) {
      std::vector<double> value(fst.num_states);
      for (StateId s = n - 1; s >= 0; --s) {
        work.steps(fst.states[s].arcs + 1);
        for (const Arc<LogWeight>& arc : fst.arcs_of(s)) distance[s].add(arc.weight.value + value[arc.nextstate]);
        value[s] = distance[s].value();
      }
    } else {
      const Fst<LogWeight> back = turned(fst);
      find_sums(back.view(), distance, options.delta, options.operation);
    }
  }
  std::vector<LogWeight> result(fst.num_states);
  for (StateId s = 0; s < n; ++s) result[s] = {static_cast<float>(distance[s].value())};
  return result;
}

// The strings of the best paths, those of short paths before those that they begin (end).
std::vector<CompactWeight> with_strings(const View<CompactWeight>& fst, const DistanceOptions& options,
                                        Strings& strings) {
  const bool forward = options.direction == Direction::kForward;
  std::vector<Parent> parents;
  Fst<CompactWeight> back;
  View<CompactWeight> searched = fst;
  std::vector<LatticeWeight> distance;
  if (forward) {
    distance = best_distances<LatticeWeight>(fst, Direction::kForward, options.source, &parents, options.operation);
  } else {
    back = turned(fst);
    searched = back.view();
    parents.assign(fst.num_states, {});
    distance.resize(fst.num_states);
    for (std::size_t s = 0; s < fst.num_states; ++s) distance[s] = fst.states[s].final.weight;
    find_best(searched, distance, &parents, false, options.operation);
  }
  strings = *fst.strings;
  std::vector<CompactWeight> result(fst.num_states, CompactWeight::zero());
  std::vector<char> done(fst.num_states, 0);
  std::vector<StateId> path;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    if (is_zero(distance[s])) continue;
    for (StateId at = s; !done[at]; at = parents[at].state) {
      path.push_back(at);
      if (parents[at].state == kNoState) break;
    }
    for (; !path.empty(); path.pop_back()) {
      const StateId at = path.back();
      const Parent parent = parents[at];
      done[at] = 1;
      if (parent.state == kNoState) {
        result[at] = forward ? CompactWeight::one() : CompactWeight(fst.states[at].final);
      } else {
        const CompactWeight step = searched.arcs_of(parent.state)[parent.arc].weight;
        const CompactWeight before = result[parent.state];
        if (strings.symbols.size() + step.length + before.length > kMostSymbols) {
          fst_error("the strings of the shortest paths are longer than they can be (", kMostSymbols, " symbols)");
        }
        result[at] = forward ? times(before, step, strings) : times(step, before, strings);
      }
      result[at].weight = distance[at];
    }
  }
  return result;
}

}  // namespace

template <class W>
std::vector<W> shortest_distance(const View<W>& fst, const DistanceOptions& options, StringsOf<W>& strings) {
  if constexpr (std::is_same_v<W, LogWeight>) {
    return sums(fst, options);
  } else if constexpr (has_strings<W>) {
    return with_strings(fst, options, strings);
  } else {
    (void)strings;
    return best_distances<W>(fst, options.direction, options.source, nullptr, options.operation);
  }
}

#define SONANT_MEASURES(D, W)                                                                         \
  template void find_best(const View<W>&, std::vector<D>&, std::vector<Parent>*, bool, const char*);  \
  template void find_best_backward(const View<W>&, std::vector<D>&, std::vector<Parent>*, const char*,       \
                                   const std::vector<StateId>*);                                          \
  template std::vector<D> best_distances(const View<W>&, Direction, StateId, std::vector<Parent>*, const char*);
SONANT_MEASURES(TropicalWeight, TropicalWeight)
SONANT_MEASURES(LatticeWeight, LatticeWeight)
SONANT_MEASURES(KwsIndexWeight, KwsIndexWeight)
SONANT_MEASURES(LatticeWeight, CompactWeight)
SONANT_MEASURES(double, TropicalWeight)
SONANT_MEASURES(double, LatticeWeight)
SONANT_MEASURES(double, CompactWeight)

#define SONANT_WITHIN(W)                                                                                     \
  template void find_best_within(const View<W>&, std::vector<double>&, const std::vector<double>&, double, \
                                 const char*);                                                               \
  template class Nearest<W>;
SONANT_WITHIN(TropicalWeight)
SONANT_WITHIN(LatticeWeight)
SONANT_WITHIN(CompactWeight)

#define SONANT_INSTANTIATE(W) \
  template std::vector<W> shortest_distance(const View<W>&, const DistanceOptions&, StringsOf<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

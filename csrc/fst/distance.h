// Shortest distances, and what is made of them: potentials, pruning.
//
// Mohri, "Semiring frameworks and algorithms for shortest-distance problems", JALC 7 (2002). States are taken in
// topological order where there are no cycles, else one strongly connected component after the other: within one,
// Dijkstra's order where no weight is better than one, first in first out otherwise.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "fst/fst.h"
#include "fst/work.h"

namespace sonant {

// What a path semiring's weights measure, for searches: strings are left out, and double is the sum of all costs.
template <class D, class W>
D measure(const W& w) {
  if constexpr (std::is_same_v<D, W>) {
    return w;
  } else if constexpr (has_strings<W>) {
    return measure<D>(w.weight);
  } else if constexpr (W::floats == 1) {
    return w.value;
  } else {
    return double(w.graph) + w.acoustic;
  }
}
template <class D>
D unreached() {
  if constexpr (std::is_same_v<D, double>) return std::numeric_limits<double>::infinity();
  else return D::zero();
}
inline bool is_unreached(double d) { return d == std::numeric_limits<double>::infinity(); }
template <class D>
bool is_unreached(const D& d) {
  return is_zero(d);
}
inline double joined(double a, double b) { return a + b; }
template <class D>
D joined(const D& a, const D& b) {
  NoStrings none;
  return times(a, b, none);
}
inline bool better(double a, double b) { return a < b; }
template <class D>
bool better(const D& a, const D& b) {
  return compare(a, NoStrings{}, b, NoStrings{}) > 0;
}

// The arc that the best path to a state comes by.
struct Parent {
  StateId state = kNoState;
  std::uint32_t arc = 0;
};

// The sum of probabilities, as costs, without loss: a log for each sum rather than for each term.
class LogSum {
 public:
  void add(double cost) {
    if (cost == std::numeric_limits<double>::infinity()) return;
    if (cost >= least_) {
      sum_ += std::exp(least_ - cost);
    } else {
      sum_ = sum_ == 0 ? 1 : sum_ * std::exp(cost - least_) + 1;
      least_ = cost;
    }
  }
  bool empty() const { return sum_ == 0; }
  double value() const { return sum_ == 0 ? least_ : least_ - std::log(sum_); }

 private:
  double least_ = std::numeric_limits<double>::infinity(), sum_ = 0;
};

inline constexpr const char* kShortestDistance = "shortest distance";

// Arcs by where they lead, as searches from the final states follow them; strings are left out.
template <class N>
struct Edge {
  StateId nextstate;  // where the arc comes from
  N weight;
};
template <class W>
using Natural = std::conditional_t<has_strings<W>, LatticeWeight, W>;
template <class W>
struct Backward {
  explicit Backward(const View<W>& fst, const std::vector<StateId>* among = nullptr);
  std::span<const Edge<Natural<W>>> arcs_of(StateId s) const {
    return {edges.data() + begin[s], edges.data() + begin[s + 1]};
  }
  Array<std::uint32_t> begin;
  Array<Edge<Natural<W>>> edges;
};

// Lowers `distance`, which holds where to begin, to the best of all paths from there; `parents`, if any, tell them.
// With `until_final` it may stop as soon as the best path to a final state is known (that path alone is then sure).
// FstError, which names the operation, where a cycle has a negative cost or a weight is NaN.
template <class D, class W>
void find_best(const View<W>& fst, std::vector<D>& distance, std::vector<Parent>* parents, bool until_final,
               const char* operation = kShortestDistance);
// The same against the arcs, from final costs; a parent is the state that comes next on the best path. With
// `among` these states alone are looked at.
template <class D, class W>
void find_best_backward(const View<W>& fst, std::vector<D>& distance, std::vector<Parent>* parents,
                        const char* operation = kShortestDistance, const std::vector<StateId>* among = nullptr);
// The same along the arcs, without what costs more than `limit` together with `to_go` from where it is.
template <class W>
void find_best_within(const View<W>& fst, std::vector<double>& distance, const std::vector<double>& to_go, double limit,
                      const char* operation);

// Sums instead of the best; what comes round a cycle is followed until it is below `delta` of the whole. FstError
// where the paths of a cycle have no finite sum.
void find_sums(const View<LogWeight>& fst, std::vector<LogSum>& distance, double delta,
               const char* operation = kShortestDistance);

// States in the order of their costs from the start, as many as are asked for (Dijkstra): where no weight is
// negative, paths that cost less than the next one go through those alone.
template <class W>
class Nearest {
 public:
  Nearest(const View<W>& fst, const char* operation);
  bool usable() const { return usable_; }
  // Takes so many more; what all others cost at least, infinity where there are none.
  double take(std::size_t more);
  const std::vector<StateId>& taken() const { return taken_; }

 private:
  struct Entry {
    double cost;
    StateId state;
  };
  static bool later(const Entry& a, const Entry& b) { return a.cost > b.cost; }
  const View<W>& fst_;
  Work work_;
  bool usable_;
  std::vector<double> cost_;
  std::vector<StateId> taken_;
  std::vector<Entry> heap_;
};

enum class Direction { kForward, kReverse };

// Of each state from `source`, or from each state to the final states.
template <class D, class W>
std::vector<D> best_distances(const View<W>& fst, Direction direction, StateId source,
                              std::vector<Parent>* parents = nullptr,
                              const char* operation = kShortestDistance);

struct DistanceOptions {
  Direction direction = Direction::kForward;
  StateId source = kNoState;  // the start state
  double delta = kDelta;
  const char* operation = kShortestDistance;  // what it is for, in errors
};

// The shortest distances in the semiring itself; strings of compact lattices go to `strings`.
template <class W>
std::vector<W> shortest_distance(const View<W>& fst, const DistanceOptions& options, StringsOf<W>& strings);

// What each state's paths to the final states cost together, as finely as floats have it; of weights without strings.
template <class W>
std::vector<W> costs_to_final(const View<W>& fst, const char* operation) {
  NoStrings none;
  return shortest_distance(fst, {.direction = Direction::kReverse, .delta = 1e-6, .operation = operation}, none);
}

// Weights moved along the paths, which keep theirs: an arc's becomes (potential of its state)^-1 weight (potential of
// its destination) towards the start (kReverse potentials), the other way round towards the final states.
// The total weight comes to the start or the final states, or is dropped where `remove_total`.
template <class W>
Fst<W> reweight(const Fst<W>& fst, const std::vector<W>& potentials, bool to_final, bool remove_total);
template <class W>
Fst<W> push_weights(const Fst<W>& fst, bool to_final, double delta, bool remove_total);

// Without the arcs and states whose best path costs more than `threshold` over the best of all, and with at most
// `most_states` states, those of the best paths. Path semirings only.
template <class W>
Fst<W> prune(const Fst<W>& fst, double threshold, std::int64_t most_states);

// The best path, or the `count` best (of different input strings where `unique`), each a chain of arcs from the
// start state, the best one first. Paths that cost more than `threshold` over the best are left out.
struct PathOptions {
  std::size_t count = 1;
  bool unique = false;
  double threshold = std::numeric_limits<double>::infinity();
  std::int64_t most_states = -1;  // paths that would make it exceed so many states are left out; negative: no limit
};
template <class W>
Fst<W> shortest_path(const View<W>& fst, const PathOptions& options);

}  // namespace sonant

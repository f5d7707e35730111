#include "fsa/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fst/error.h"
#include "pool.h"

namespace sonant {
namespace {

template <class T>
constexpr T kNone = -std::numeric_limits<T>::infinity();

// Fewer arcs than this are done before a second thread is there.
constexpr std::size_t kArcsWorthThreads = 20000;

// The states and arcs of one automaton; `first` is its first state of all.
struct One {
  const std::int32_t* arcs;
  const std::int32_t* splits;
  std::size_t first;
  std::int32_t states;

  std::int32_t begin(std::int32_t s) const { return splits[first + s]; }
  std::int32_t end(std::int32_t s) const { return splits[first + s + 1]; }
  std::int32_t dest(std::int32_t arc) const { return arcs[4 * std::size_t(arc) + 1]; }
};

template <class Do>
void each(const FsaGraphs& graphs, int threads, Do work) {
  if (graphs.arcs.size() / 4 < kArcsWorthThreads) threads = 1;
  parallel_for(graphs.fsas(), threads, [&](std::size_t i) {
    const std::size_t first = graphs.fsa_splits[i];
    work(One{graphs.arcs.data(), graphs.state_splits.data(), first, graphs.fsa_splits[i + 1] - graphs.fsa_splits[i]});
  });
}

// The log of a sum of exponentials: exp(largest) * rest.
template <class T>
struct LogSum {
  T largest = kNone<T>, rest = 0;

  void add(T x) {
    if (x == kNone<T>) return;
    if (x <= largest) {
      rest += std::exp(x - largest);
    } else {
      rest = rest * std::exp(largest - x) + 1;
      largest = x;
    }
  }
  T value() const { return rest == 0 ? kNone<T> : largest + std::log(rest); }
};

}  // namespace

void FsaGraphs::check_splits(const char* operation) const {
  const auto rising = [](std::span<const std::int32_t> splits, std::size_t last) {
    return !splits.empty() && splits.front() == 0 && std::size_t(splits.back()) == last &&
           std::is_sorted(splits.begin(), splits.end());
  };
  if (!rising(state_splits, arcs.size() / 4) || !rising(fsa_splits, states())) {
    fst_error(operation, ": row splits that do not fit ", arcs.size() / 4, " arcs");
  }
}

void FsaGraphs::check(const char* operation) const {
  check_splits(operation);
  for (std::size_t i = 0; i < fsas(); ++i) {
    const std::int32_t first = fsa_splits[i], states = fsa_splits[i + 1] - first;
    for (std::int32_t s = 0; s < states; ++s) {
      for (std::int32_t a = state_splits[first + s]; a < state_splits[first + s + 1]; ++a) {
        const std::int32_t* arc = arcs.data() + 4 * std::size_t(a);
        if (arc[0] == s && arc[1] >= 0 && arc[1] < states && arc[2] >= -1 && (arc[2] == -1) == (arc[1] == states - 1)) {
          continue;
        }
        fst_error(operation, ": automaton ", i, " of ", fsas(), ", arc ", a, " of state ", s, ": ", arc[0], " -> ", arc[1],
                  ", label ", arc[2], ", of ", states, " states, cannot be; label -1 is for arcs to the last state");
      }
    }
  }
}

void FsaGraphs::check_acyclic(const char* operation) const {
  check_splits(operation);
  for (std::size_t i = 0; i < fsas(); ++i) {
    const std::int32_t first = fsa_splits[i], states = fsa_splits[i + 1] - first;
    for (std::int32_t s = 0; s < states; ++s) {
      for (std::int32_t a = state_splits[first + s]; a < state_splits[first + s + 1]; ++a) {
        const std::int32_t dest = arcs[4 * std::size_t(a) + 1];
        if (dest > s && dest < states) continue;
        fst_error(operation, ": automaton ", i, " of ", fsas(), " is not top-sorted and acyclic: arc ", a,
                  " leads from state ", s, " to ", dest, " of ", states, "; use top_sort on one without cycles");
      }
    }
  }
}

template <class T>
void fsa_forward(const FsaGraphs& graphs, const T* scores, bool log, T* forward, std::int32_t* best, int threads) {
  each(graphs, threads, [&](const One& fsa) {
    T* alpha = forward + fsa.first;
    if (fsa.states == 0) return;
    if (log) {
      std::vector<LogSum<T>> sums(fsa.states);
      sums[0] = {0, 1};
      for (std::int32_t s = 0; s < fsa.states; ++s) {
        alpha[s] = sums[s].value();
        for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) sums[fsa.dest(a)].add(alpha[s] + scores[a]);
      }
      return;
    }
    std::int32_t* entering = best + fsa.first;
    std::fill_n(alpha, fsa.states, kNone<T>);
    std::fill_n(entering, fsa.states, -1);
    alpha[0] = 0;
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      if (alpha[s] == kNone<T>) continue;
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        const T score = alpha[s] + scores[a];
        const std::int32_t d = fsa.dest(a);
        if (score == kNone<T> || score < alpha[d]) continue;  // of equal ones the last, as in k2
        alpha[d] = score;
        entering[d] = a;
      }
    }
  });
}

template <class T>
void fsa_backward(const FsaGraphs& graphs, const T* scores, bool log, T* backward, std::int32_t* best, int threads) {
  each(graphs, threads, [&](const One& fsa) {
    T* beta = backward + fsa.first;
    if (fsa.states == 0) return;
    for (std::int32_t s = fsa.states - 1; s >= 0; --s) {
      const bool final = s == fsa.states - 1;
      if (log) {
        LogSum<T> sum;
        if (final) sum = {0, 1};
        for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) sum.add(scores[a] + beta[fsa.dest(a)]);
        beta[s] = sum.value();
        continue;
      }
      T largest = final ? 0 : kNone<T>;
      std::int32_t leaving = -1;
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        const T score = scores[a] + beta[fsa.dest(a)];
        if (score == kNone<T> || score < largest) continue;
        largest = score;
        leaving = a;
      }
      beta[s] = largest;
      best[fsa.first + s] = leaving;
    }
  });
}

FsaPaths fsa_best_paths(const FsaGraphs& graphs, const std::int32_t* best) {
  FsaPaths paths;
  for (std::size_t i = 0; i < graphs.fsas(); ++i) {
    const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
    const std::size_t begin = paths.arcs.size();
    if (states > 0) {
      for (std::int32_t a = best[first + states - 1]; a >= 0;) {
        paths.arcs.push_back(a);
        // The state that an arc leaves: the last one whose arcs begin at or before it.
        const auto splits = graphs.state_splits.begin();
        const auto state = std::upper_bound(splits + first, splits + first + states, a) - splits - 1;
        a = best[state];
      }
    }
    std::reverse(paths.arcs.begin() + std::ptrdiff_t(begin), paths.arcs.end());
    paths.sizes.push_back(std::int32_t(paths.arcs.size() - begin));
  }
  return paths;
}

// The slope of each state's score is handed to the arcs that the score is from, in the shares that they have in it, and
// so on to the states before.
template <class T>
void fsa_forward_gradient(const FsaGraphs& graphs, const T* scores, bool log, const T* forward,
                          const std::int32_t* best, const T* slopes, T* gradient, int threads) {
  each(graphs, threads, [&](const One& fsa) {
    const T* alpha = forward + fsa.first;
    std::vector<T> slope(slopes + fsa.first, slopes + fsa.first + fsa.states);
    for (std::int32_t s = fsa.states - 1; s >= 0; --s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        const std::int32_t d = fsa.dest(a);
        if (log) {
          const T score = alpha[s] + scores[a];
          gradient[a] = score == kNone<T> ? 0 : std::exp(score - alpha[d]) * slope[d];
        } else {
          gradient[a] = best[fsa.first + d] == a ? slope[d] : 0;
        }
        slope[s] += gradient[a];
      }
    }
  });
}

template <class T>
void fsa_backward_gradient(const FsaGraphs& graphs, const T* scores, bool log, const T* backward,
                           const std::int32_t* best, const T* slopes, T* gradient, int threads) {
  each(graphs, threads, [&](const One& fsa) {
    const T* beta = backward + fsa.first;
    std::vector<T> slope(slopes + fsa.first, slopes + fsa.first + fsa.states);
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        const std::int32_t d = fsa.dest(a);
        if (log) {
          const T score = scores[a] + beta[d];
          gradient[a] = score == kNone<T> ? 0 : std::exp(score - beta[s]) * slope[s];
        } else {
          gradient[a] = best[fsa.first + s] == a ? slope[s] : 0;
        }
        slope[d] += gradient[a];
      }
    }
  });
}

#define SONANT_FSA_SCORES(T)                                                                                          \
  template void fsa_forward(const FsaGraphs&, const T*, bool, T*, std::int32_t*, int);                                \
  template void fsa_backward(const FsaGraphs&, const T*, bool, T*, std::int32_t*, int);                               \
  template void fsa_forward_gradient(const FsaGraphs&, const T*, bool, const T*, const std::int32_t*, const T*, T*, \
                                     int);                                                                            \
  template void fsa_backward_gradient(const FsaGraphs&, const T*, bool, const T*, const std::int32_t*, const T*, T*, \
                                      int);
SONANT_FSA_SCORES(float)
SONANT_FSA_SCORES(double)
#undef SONANT_FSA_SCORES

}  // namespace sonant

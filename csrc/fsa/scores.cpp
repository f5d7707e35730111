#include "fsa/scores.h"

#include <algorithm>
#include <atomic>
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
  bool leads_on(std::int32_t arc, std::int32_t s) const { return dest(arc) > s && dest(arc) < states; }
};

// work(automaton) is false where an arc of it does not lead to a higher state.
template <class Do>
void each(const FsaGraphs& graphs, const char* operation, int threads, Do work) {
  graphs.check_splits(operation);
  if (graphs.arcs.size() / 4 < kArcsWorthThreads) threads = 1;
  std::atomic<bool> acyclic = true;
  parallel_for(graphs.fsas(), threads, [&](std::size_t i) {
    const std::size_t first = graphs.fsa_splits[i];
    const One fsa{graphs.arcs.data(), graphs.state_splits.data(), first, graphs.fsa_splits[i + 1] - graphs.fsa_splits[i]};
    if (!work(fsa)) acyclic = false;
  });
  if (!acyclic) graphs.check_acyclic(operation);  // which says where
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

template <class S, class T>
void fsa_forward(const FsaGraphs& graphs, const char* operation, const S* scores, bool log, T* forward,
                 std::int32_t* best, int threads) {
  each(graphs, operation, threads, [&](const One& fsa) {
    T* alpha = forward + fsa.first;
    if (fsa.states == 0) return true;
    if (log) {
      std::vector<LogSum<T>> sums(fsa.states);
      sums[0] = {0, 1};
      for (std::int32_t s = 0; s < fsa.states; ++s) {
        alpha[s] = sums[s].value();
        for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
          if (!fsa.leads_on(a, s)) return false;
          sums[fsa.dest(a)].add(alpha[s] + T(scores[a]));
        }
      }
      return true;
    }
    std::int32_t* entering = best + fsa.first;
    std::fill_n(alpha, fsa.states, kNone<T>);
    std::fill_n(entering, fsa.states, -1);
    alpha[0] = 0;
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        const T score = alpha[s] + T(scores[a]);
        const std::int32_t d = fsa.dest(a);
        if (!(score >= alpha[d]) || score == kNone<T>) continue;  // of equal ones the last, as in k2
        alpha[d] = score;
        entering[d] = a;
      }
    }
    return true;
  });
}

template <class S, class T>
void fsa_backward(const FsaGraphs& graphs, const char* operation, const S* scores, bool log, T* backward,
                  std::int32_t* best, int threads) {
  each(graphs, operation, threads, [&](const One& fsa) {
    T* beta = backward + fsa.first;
    for (std::int32_t s = fsa.states - 1; s >= 0; --s) {
      const bool final = s == fsa.states - 1;
      if (log) {
        LogSum<T> sum;
        if (final) sum = {0, 1};
        for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
          if (!fsa.leads_on(a, s)) return false;
          sum.add(T(scores[a]) + beta[fsa.dest(a)]);
        }
        beta[s] = sum.value();
        continue;
      }
      T largest = final ? 0 : kNone<T>;
      std::int32_t leaving = -1;
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        const T score = T(scores[a]) + beta[fsa.dest(a)];
        if (!(score >= largest) || score == kNone<T>) continue;
        largest = score;
        leaving = a;
      }
      beta[s] = largest;
      best[fsa.first + s] = leaving;
    }
    return true;
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
template <class S, class T>
void fsa_forward_gradient(const FsaGraphs& graphs, const S* scores, bool log, const T* forward,
                          const std::int32_t* best, const T* slopes, S* gradient, int threads) {
  each(graphs, "fsa_scores_gradient", threads, [&](const One& fsa) {
    const T* alpha = forward + fsa.first;
    std::vector<T> slope(slopes + fsa.first, slopes + fsa.first + fsa.states);
    for (std::int32_t s = fsa.states - 1; s >= 0; --s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        const std::int32_t d = fsa.dest(a);
        T share = 0;
        if (log) {
          const T score = alpha[s] + T(scores[a]);
          if (score != kNone<T>) share = std::exp(score - alpha[d]) * slope[d];
        } else if (best[fsa.first + d] == a) {
          share = slope[d];
        }
        gradient[a] = S(share);
        slope[s] += share;
      }
    }
    return true;
  });
}

template <class S, class T>
void fsa_backward_gradient(const FsaGraphs& graphs, const S* scores, bool log, const T* backward,
                           const std::int32_t* best, const T* slopes, S* gradient, int threads) {
  each(graphs, "fsa_scores_gradient", threads, [&](const One& fsa) {
    const T* beta = backward + fsa.first;
    std::vector<T> slope(slopes + fsa.first, slopes + fsa.first + fsa.states);
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        const std::int32_t d = fsa.dest(a);
        T share = 0;
        if (log) {
          const T score = T(scores[a]) + beta[d];
          if (score != kNone<T>) share = std::exp(score - beta[s]) * slope[s];
        } else if (best[fsa.first + s] == a) {
          share = slope[s];
        }
        gradient[a] = S(share);
        slope[d] += share;
      }
    }
    return true;
  });
}

template <class S, class T>
void fsa_through_arcs(const FsaGraphs& graphs, const S* scores, const T* before, const T* after, T* through,
                      int threads) {
  each(graphs, "fsa_through_arcs", threads, [&](const One& fsa) {
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        through[a] = before[fsa.first + s] + T(scores[a]) + after[fsa.first + fsa.dest(a)];
      }
    }
    return true;
  });
}

template <class S, class T>
void fsa_through_arcs_gradient(const FsaGraphs& graphs, const T* slopes, S* scores, T* before, T* after, int threads) {
  each(graphs, "fsa_through_arcs", threads, [&](const One& fsa) {
    std::fill_n(before + fsa.first, fsa.states, T(0));
    std::fill_n(after + fsa.first, fsa.states, T(0));
    for (std::int32_t s = 0; s < fsa.states; ++s) {
      for (std::int32_t a = fsa.begin(s); a < fsa.end(s); ++a) {
        if (!fsa.leads_on(a, s)) return false;
        scores[a] = S(slopes[a]);
        before[fsa.first + s] += slopes[a];
        after[fsa.first + fsa.dest(a)] += slopes[a];
      }
    }
    return true;
  });
}

#define SONANT_FSA_SCORES(S, T)                                                                                     \
  template void fsa_forward(const FsaGraphs&, const char*, const S*, bool, T*, std::int32_t*, int);                 \
  template void fsa_backward(const FsaGraphs&, const char*, const S*, bool, T*, std::int32_t*, int);                \
  template void fsa_forward_gradient(const FsaGraphs&, const S*, bool, const T*, const std::int32_t*, const T*, S*, \
                                     int);                                                                          \
  template void fsa_backward_gradient(const FsaGraphs&, const S*, bool, const T*, const std::int32_t*, const T*,    \
                                      S*, int);                                                                     \
  template void fsa_through_arcs(const FsaGraphs&, const S*, const T*, const T*, T*, int);                          \
  template void fsa_through_arcs_gradient(const FsaGraphs&, const T*, S*, T*, T*, int);
SONANT_FSA_SCORES(float, float)
SONANT_FSA_SCORES(float, double)
SONANT_FSA_SCORES(double, double)
#undef SONANT_FSA_SCORES

}  // namespace sonant

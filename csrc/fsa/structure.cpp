#include <algorithm>
#include <limits>
#include <utility>

#include "fsa/algorithms.h"
#include "fst/error.h"

namespace sonant {
namespace {

constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();

// Arcs of one automaton by where they lead: those into state s are ids[begin[s]] .. ids[begin[s + 1]].
struct Entering {
  std::vector<std::int32_t> begin, sources;

  Entering(const FsaGraphs& graphs, std::int32_t first, std::int32_t states) : begin(states + 1, 0) {
    const std::int32_t from = graphs.state_splits[first], to = graphs.state_splits[first + states];
    for (std::int32_t a = from; a < to; ++a) ++begin[graphs.arcs[4 * std::size_t(a) + 1]];
    std::int32_t sum = 0;
    for (std::int32_t& count : begin) sum += std::exchange(count, sum);
    sources.resize(to - from);
    std::vector<std::int32_t> next(begin.begin(), begin.end());
    for (std::int32_t s = 0; s < states; ++s) {
      for (std::int32_t a = graphs.state_splits[first + s]; a < graphs.state_splits[first + s + 1]; ++a) {
        sources[next[graphs.arcs[4 * std::size_t(a) + 1]]++] = s;
      }
    }
  }
};

// Marks what can be reached from `start`, where `each(state, visit)` visits the neighbours of a state.
template <class Each>
std::vector<char> reached(std::int32_t states, std::int32_t start, Each each) {
  std::vector<char> seen(states, 0);
  std::vector<std::int32_t> open{start};
  seen[start] = 1;
  while (!open.empty()) {
    const std::int32_t s = open.back();
    open.pop_back();
    each(s, [&](std::int32_t next) {
      if (!seen[next]) {
        seen[next] = 1;
        open.push_back(next);
      }
    });
  }
  return seen;
}

}  // namespace

void check_numbered(std::size_t states, std::size_t arcs, const char* operation) {
  if (arcs <= kMost && states <= kMost) return;
  fst_error(operation, ": the batch has ", states, " states and ", arcs, " arcs, at most ", kMost,
            " can be numbered; split it");
}

FsaBatch joined(std::vector<FsaBatch> parts, const char* operation) {
  if (parts.size() == 1) return std::move(parts.front());
  FsaBatch all;
  std::size_t arcs = 0, states = 0;
  for (const FsaBatch& part : parts) {
    arcs += part.num_arcs();
    states += part.state_splits.size() - 1;
  }
  check_numbered(states, arcs, operation);
  all.arcs.reserve(4 * arcs);
  all.map_a.reserve(arcs);
  all.map_b.reserve(arcs);
  all.state_splits.reserve(states + 1);
  for (FsaBatch& part : parts) {
    const std::int32_t arc = all.state_splits.back(), state = all.fsa_splits.back();
    all.arcs.append(part.arcs.begin(), part.arcs.end());
    all.map_a.append(part.map_a.begin(), part.map_a.end());
    all.map_b.append(part.map_b.begin(), part.map_b.end());
    for (std::size_t i = 1; i < part.state_splits.size(); ++i) all.state_splits.push_back(arc + part.state_splits[i]);
    for (std::size_t i = 1; i < part.fsa_splits.size(); ++i) all.fsa_splits.push_back(state + part.fsa_splits[i]);
    part = {};
  }
  return all;
}

FsaRagged joined(std::vector<FsaRagged> parts, const char* operation) {
  FsaRagged all;
  std::size_t values = 0;
  for (const FsaRagged& part : parts) values += part.map_values.size();
  if (values > kMost) {
    fst_error(operation, ": the arcs of the batch stand for ", values, " arcs, at most ", kMost, " can be numbered; split it");
  }
  std::vector<FsaBatch> batches;
  for (FsaRagged& part : parts) {
    const std::int32_t value = all.map_splits.back();
    for (std::size_t i = 1; i < part.map_splits.size(); ++i) all.map_splits.push_back(value + part.map_splits[i]);
    all.map_values.append(part.map_values.begin(), part.map_values.end());
    batches.push_back(std::move(part.batch));
    part = {};
  }
  all.batch = joined(std::move(batches), operation);
  return all;
}

FsaOrder fsa_useful_states(const FsaGraphs& graphs) {
  FsaOrder order;
  for (std::size_t i = 0; i < graphs.fsas(); ++i) {
    const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
    if (states > 1) {
      const auto forward = reached(states, 0, [&](std::int32_t s, auto visit) {
        for (std::int32_t a = graphs.state_splits[first + s]; a < graphs.state_splits[first + s + 1]; ++a) {
          visit(graphs.arcs[4 * std::size_t(a) + 1]);
        }
      });
      const Entering entering(graphs, first, states);
      const auto backward = reached(states, states - 1, [&](std::int32_t s, auto visit) {
        for (std::int32_t a = entering.begin[s]; a < entering.begin[s + 1]; ++a) visit(entering.sources[a]);
      });
      for (std::int32_t s = 0; s < states; ++s) {
        if (forward[s] && backward[s]) order.states.push_back(first + s);
      }
    }
    order.fsa_splits.push_back(std::int32_t(order.states.size()));
  }
  return order;
}

FsaOrder fsa_topological_order(const FsaGraphs& graphs) {
  FsaOrder order;
  for (std::size_t i = 0; i < graphs.fsas(); ++i) {
    const std::int32_t first = graphs.fsa_splits[i], states = graphs.fsa_splits[i + 1] - first;
    std::vector<std::int32_t> waiting(states, 0);  // arcs from other states that have not been followed
    const auto each_arc = [&](std::int32_t s, auto visit) {
      for (std::int32_t a = graphs.state_splits[first + s]; a < graphs.state_splits[first + s + 1]; ++a) {
        const std::int32_t to = graphs.arcs[4 * std::size_t(a) + 1];
        if (to != s) visit(to);
      }
    };
    for (std::int32_t s = 0; s < states; ++s) each_arc(s, [&](std::int32_t to) { ++waiting[to]; });
    if (states > 0 && waiting[0] > 0) {
      fst_error("top_sort: automaton ", i, " of ", graphs.fsas(), ": ", waiting[0],
                " arcs lead back to the start, state 0; there is no order");
    }
    std::vector<std::int32_t> batch, next;
    for (std::int32_t s = 0; s < states; ++s) {
      if (waiting[s] == 0) batch.push_back(s);
    }
    std::int32_t done = 0;
    while (!batch.empty()) {
      for (const std::int32_t s : batch) {
        if (s < states - 1) order.states.push_back(first + s);
        ++done;
        each_arc(s, [&](std::int32_t to) {
          if (--waiting[to] == 0) next.push_back(to);
        });
      }
      std::sort(next.begin(), next.end());
      batch.swap(next);
      next.clear();
    }
    if (done < states) {
      const auto on_cycle = std::find_if(waiting.begin(), waiting.end(), [](std::int32_t n) { return n > 0; });
      fst_error("top_sort: automaton ", i, " of ", graphs.fsas(), " has a cycle that leads to state ",
                on_cycle - waiting.begin(), " of ", states, "; there is no order");
    }
    if (states > 0) order.states.push_back(first + states - 1);
    order.fsa_splits.push_back(std::int32_t(order.states.size()));
  }
  return order;
}

}  // namespace sonant

#include "fsa/paths.h"

#include <algorithm>
#include <limits>

#include "fst/work.h"

namespace sonant {
namespace {

struct Part {
  double score;         // from the start
  double whole;         // of the best path that begins so
  std::int32_t before;  // the part without the last arc, -1 for none
  std::int32_t arc, state;
};

}  // namespace

template <class T>
FsaBestPaths fsa_shortest_paths(const FsaGraphs& graphs, const T* scores, std::int32_t count) {
  constexpr double none = -std::numeric_limits<double>::infinity();
  Work work("shortest_paths", {}, sizeof(Part), sizeof(Part));
  std::vector<double> rest(graphs.states());
  std::vector<std::int32_t> unused(graphs.states());
  fsa_backward(graphs, "shortest_paths", scores, false, rest.data(), unused.data(), 0);

  FsaBestPaths found;
  std::vector<std::int32_t> left(graphs.states()), heap, path;
  std::vector<Part> parts;
  const auto worse = [&](std::int32_t a, std::int32_t b) {
    return parts[a].whole != parts[b].whole ? parts[a].whole < parts[b].whole : a > b;
  };
  for (std::size_t f = 0; f < graphs.fsas(); ++f) {
    const std::int32_t first = graphs.fsa_splits[f], last = graphs.fsa_splits[f + 1] - 1;
    work.what = "automaton " + std::to_string(f);
    parts.clear();
    heap.clear();
    std::int32_t ended = 0;
    const auto add = [&](Part part) {
      if (part.whole == none) return;
      work.made(parts.size() + 1, 0);
      parts.push_back(part);
      heap.push_back(std::int32_t(parts.size()) - 1);
      std::push_heap(heap.begin(), heap.end(), worse);
    };
    if (first <= last) add({0, rest[first], -1, -1, first});
    while (!heap.empty() && ended < count) {
      std::pop_heap(heap.begin(), heap.end(), worse);
      const std::int32_t top = heap.back();
      heap.pop_back();
      const Part part = parts[top];
      work.step();
      if (left[part.state]++ >= count) continue;
      if (part.state == last) {
        path.clear();
        for (std::int32_t i = top; parts[i].arc >= 0; i = parts[i].before) path.push_back(parts[i].arc);
        found.arcs.insert(found.arcs.end(), path.rbegin(), path.rend());
        found.sizes.push_back(std::int32_t(path.size()));
        ++ended;
        continue;
      }
      for (std::int32_t arc = graphs.state_splits[part.state]; arc < graphs.state_splits[part.state + 1]; ++arc) {
        const std::int32_t to = first + graphs.arcs[4 * std::size_t(arc) + 1];
        const double score = part.score + double(scores[arc]);
        add({score, score + rest[to], top, arc, to});
      }
    }
    found.paths.push_back(ended);
  }
  return found;
}

template FsaBestPaths fsa_shortest_paths(const FsaGraphs&, const float*, std::int32_t);
template FsaBestPaths fsa_shortest_paths(const FsaGraphs&, const double*, std::int32_t);

}  // namespace sonant

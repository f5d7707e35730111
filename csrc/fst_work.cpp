#include "fst_work.h"

#include <algorithm>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace sonant {

std::uint64_t half_of_memory() {
#ifdef _WIN32
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  if (GlobalMemoryStatusEx(&status)) return status.ullTotalPhys / 2;
#else
  const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && bytes > 0) return std::uint64_t(pages) * std::uint64_t(bytes) / 2;
#endif
  return std::uint64_t(4) << 30;
}

Work::Work(const char* operation, Bounds limits, std::size_t state_bytes, std::size_t arc_bytes)
    : operation_(operation), limits_(limits) {
  static const std::uint64_t memory = half_of_memory();
  const auto set = [](std::uint64_t& limit, std::uint64_t by_memory, std::uint64_t most) {
    limit = std::min(limit == 0 ? by_memory : limit, most);
  };
  set(limits_.max_states, memory / state_bytes, kMostStates);
  set(limits_.max_arcs, memory / arc_bytes, kMostArcs);
}

void Work::too_many(std::size_t states, std::size_t arcs) const {
  const bool too_many_states = states > limits_.max_states;
  fst_error(operation_, " of ", what, ": the result has more than ",
            too_many_states ? limits_.max_states : limits_.max_arcs, too_many_states ? " states" : " arcs",
            " (so far ", states, " states, ", arcs, " arcs). If so many are right, raise ",
            too_many_states ? "max_states" : "max_arcs");
}

namespace {

// Arcs by where they lead: `from` lists the states that arcs to state s leave, from[begin[s]] to from[begin[s + 1]].
struct Reverse {
  std::vector<std::uint32_t> begin;
  std::vector<StateId> from;
};

template <class W>
Reverse reversed(const View<W>& fst) {
  Reverse result;
  result.begin.assign(fst.num_states + 2, 0);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) ++result.begin[arc.nextstate + 2];
  }
  for (std::size_t s = 2; s < result.begin.size(); ++s) result.begin[s] += result.begin[s - 1];
  result.from.resize(result.begin.back());
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) result.from[result.begin[arc.nextstate + 1]++] = StateId(s);
  }
  return result;
}

template <class W>
std::vector<char> reaching_final(const View<W>& fst) {
  const std::size_t n = fst.num_states;
  std::vector<char> live(n, 0);
  for (std::size_t s = 0; s < n; ++s) live[s] = !is_zero(fst.states[s].final);
  // Most arcs of what was just built lead to later states, so that one or two looks from the end will do.
  for (int look = 0; look < 3; ++look) {
    bool changed = false;
    for (std::size_t s = n; s-- > 0;) {
      if (live[s]) continue;
      for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
        if (live[arc.nextstate]) {
          live[s] = 1;
          changed = true;
          break;
        }
      }
    }
    if (!changed) return live;
  }
  const Reverse back = reversed(fst);
  std::vector<StateId> stack;
  for (std::size_t s = 0; s < n; ++s) {
    if (live[s]) stack.push_back(StateId(s));
  }
  while (!stack.empty()) {
    const StateId s = stack.back();
    stack.pop_back();
    for (std::uint32_t i = back.begin[s]; i < back.begin[s + 1]; ++i) {
      const StateId from = back.from[i];
      if (live[from]) continue;
      live[from] = 1;
      stack.push_back(from);
    }
  }
  return live;
}

}  // namespace

template <class W>
bool drop_dead_ends(Tables<W>& tables, StateId& start) {
  auto& [states, arcs] = tables;
  std::uint32_t begin = 0;
  for (State<W>& state : states) {
    state.begin = begin;
    begin += state.arcs;
  }
  const View<W> fst{states.data(), arcs.data(), states.size(), arcs.size(), start, nullptr};
  const std::vector<char> live = reaching_final(fst);
  if (start == kNoState || !live[start]) {
    states.clear();
    arcs.clear();
    start = kNoState;
    return false;
  }
  std::vector<StateId> number(states.size(), kNoState);
  StateId count = 0;
  for (std::size_t s = 0; s < states.size(); ++s) {
    if (live[s]) number[s] = count++;
  }
  if (static_cast<std::size_t>(count) == states.size()) return true;
  std::size_t kept = 0;
  for (std::size_t s = 0; s < states.size(); ++s) {
    if (!live[s]) continue;
    State<W> state = states[s];
    const std::size_t end = std::size_t(state.begin) + state.arcs, first = kept;
    for (std::size_t i = state.begin; i < end; ++i) {
      if (number[arcs[i].nextstate] == kNoState) continue;
      arcs[kept] = arcs[i];
      arcs[kept++].nextstate = number[arcs[i].nextstate];
    }
    state.arcs = static_cast<std::uint32_t>(kept - first);
    states[number[s]] = state;
  }
  states.resize(count);
  arcs.resize(kept);
  start = number[start];
  return true;
}

#define SONANT_INSTANTIATE(W) template bool drop_dead_ends(Tables<W>&, StateId&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)
#undef SONANT_INSTANTIATE

}  // namespace sonant

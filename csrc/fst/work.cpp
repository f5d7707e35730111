#include "fst/work.h"

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

Work::Work(const char* operation, Bounds bounds, std::size_t state_bytes, std::size_t arc_bytes)
    : operation_(operation), bounds_(bounds) {
  static const std::uint64_t memory = half_of_memory();
  const auto set = [](std::uint64_t& limit, std::uint64_t by_memory, std::uint64_t most) {
    limit = std::min(limit == 0 ? by_memory : limit, most);
  };
  set(bounds_.max_states, memory / std::max<std::size_t>(state_bytes, 1), kMostStates);
  set(bounds_.max_arcs, memory / std::max<std::size_t>(arc_bytes, 1), kMostArcs);
}

void Work::too_many(std::size_t states, std::size_t arcs) const {
  const bool too_many_states = states > bounds_.max_states;
  const char* name = too_many_states ? "max_states" : "max_arcs";
  fail("the result has more than ", name, "=", too_many_states ? bounds_.max_states : bounds_.max_arcs, " (so far ",
       states, " states, ", arcs, " arcs). If so many are right, raise ", name);
}

}  // namespace sonant

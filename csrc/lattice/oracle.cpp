// The path of a lattice with the fewest errors against a reference: the edit distance (Wagner and Fischer, J. ACM 21,
// 1974) over states and words of the reference; of equal ones the cheapest path, exactly.
#include <algorithm>
#include <cmath>

#include "fst/builder.h"
#include "lattice/lattice.h"

namespace sonant {

namespace {

enum class Edit : std::uint8_t { kNone, kMatch, kSubstitution, kInsertion, kDeletion, kEpsilon };

struct Cell {
  double cost = std::numeric_limits<double>::infinity();
  std::int32_t errors = 0x7fffffff;
  std::uint32_t arc = 0;
  Edit edit = Edit::kNone;
};

}  // namespace

OraclePath oracle_path(const CompactLattice& lattice, const std::vector<Label>& reference) {
  constexpr const char* kName = "the oracle path";
  const CompactLattice given = sorted(lattice, kName).packed();
  const View<CompactWeight> view = given.view();
  Work work(kName, view);
  check_costs(view, work);
  const std::size_t width = reference.size() + 1;
  if (double(view.num_states) * double(width) * sizeof(Cell) > double(half_of_memory())) {
    work.fail(view.num_states, " states and ", reference.size(), " words of the reference need more than half of the "
              "memory of this machine; prune first");
  }
  std::vector<Cell> cells(view.num_states * width);
  std::vector<StateId> sources;
  const auto better = [](Cell& cell, std::int32_t errors, double cost, std::uint32_t arc, Edit edit) {
    if (errors > cell.errors || (errors == cell.errors && !(cost < cell.cost))) return;
    cell = {cost, errors, arc, edit};
  };
  if (view.start != kNoState) cells[std::size_t(view.start) * width] = {0, 0, 0, Edit::kNone};
  double best_cost = std::numeric_limits<double>::infinity();
  std::int32_t best_errors = 0x7fffffff;
  StateId best = kNoState;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    Cell* here = cells.data() + std::size_t(s) * width;
    for (std::size_t j = 1; j < width; ++j) {
      const Cell& before = here[j - 1];
      if (before.errors != 0x7fffffff) better(here[j], before.errors + 1, before.cost, 0, Edit::kDeletion);
    }
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      const auto i = static_cast<std::uint32_t>(sources.size());
      sources.push_back(s);
      work.steps(width);
      const double step = cost_of(CompactWeight(arc.weight));
      if (std::isinf(step)) continue;
      Cell* next = cells.data() + std::size_t(arc.nextstate) * width;
      for (std::size_t j = 0; j < width; ++j) {
        const Cell& from = here[j];
        if (from.errors == 0x7fffffff) continue;
        const double cost = from.cost + step;
        if (arc.ilabel == 0) {
          better(next[j], from.errors, cost, i, Edit::kEpsilon);
          continue;
        }
        better(next[j], from.errors + 1, cost, i, Edit::kInsertion);
        if (j + 1 == width) continue;
        const bool match = arc.ilabel == reference[j];
        better(next[j + 1], from.errors + !match, cost, i, match ? Edit::kMatch : Edit::kSubstitution);
      }
    }
    const CompactWeight final = view.states[s].final;
    const Cell& last = here[width - 1];
    if (is_zero(final) || last.errors == 0x7fffffff) continue;
    const double cost = last.cost + cost_of(final);
    if (last.errors < best_errors || (last.errors == best_errors && cost < best_cost)) {
      best = s;
      best_errors = last.errors;
      best_cost = cost;
    }
  }
  if (best == kNoState) work.fail("no path leads from its start to a final state");
  OraclePath result;
  std::vector<std::uint32_t> arcs;
  std::size_t j = width - 1;
  for (StateId s = best;;) {
    const Cell& cell = cells[std::size_t(s) * width + j];
    if (cell.edit == Edit::kNone) break;
    result.insertions += cell.edit == Edit::kInsertion;
    result.deletions += cell.edit == Edit::kDeletion;
    result.substitutions += cell.edit == Edit::kSubstitution;
    if (cell.edit != Edit::kInsertion && cell.edit != Edit::kEpsilon) --j;
    if (cell.edit == Edit::kDeletion) continue;
    arcs.push_back(cell.arc);
    s = sources[cell.arc];
  }
  FstBuilder<CompactWeight> path;
  path.strings = *view.strings;
  for (std::size_t i = arcs.size(); i-- > 0;) {
    Arc<CompactWeight> arc = view.arcs[arcs[i]];
    arc.nextstate = path.open() + 1;
    path.add(arc);
  }
  path.open(view.states[best].final);
  path.start = 0;
  result.path = path.finish();
  return result;
}

}  // namespace sonant

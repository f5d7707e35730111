// Pushing and minimization of compact lattices, as Kaldi does them after determinization.
#include <algorithm>
#include <bit>
#include <cmath>

#include "fst_builder.h"
#include "fst_structure.h"
#include "lattice.h"
#include "prefix_tree.h"
#include "semiring_division.h"

namespace sonant {

CompactLattice push_strings(const CompactLattice& lattice) {
  constexpr const char* kName = "pushing of strings";
  CompactLattice made = sorted(lattice, kName).packed();
  const View<CompactWeight> view = made.view();
  Work work(kName, view);
  // What the strings from a state on have in common; the start's stays.
  PrefixTree strings;
  std::vector<PrefixTree::Id> common(view.num_states, 0);
  const auto with = [&](const CompactWeight& weight, PrefixTree::Id rest) {
    PrefixTree::Id id = 0;
    for (const Label label : view.strings->of(weight)) id = strings.append(id, label);
    return strings.joined(id, rest);
  };
  for (StateId s = StateId(view.num_states) - 1; s > view.start; --s) {
    const auto arcs = view.arcs_of(s);
    work.steps(arcs.size() + 1);
    const CompactWeight final = view.states[s].final;
    bool any = !is_zero(final);
    if (any) common[s] = with(final, 0);
    for (const Arc<CompactWeight>& arc : arcs) {
      const PrefixTree::Id own = with(arc.weight, common[arc.nextstate]);
      common[s] = any ? strings.common(common[s], own) : own;
      any = true;
    }
  }
  FstBuilder<CompactWeight> result;
  std::vector<Label> labels;
  const auto moved = [&](const CompactWeight& weight, PrefixTree::Id rest, PrefixTree::Id without) {
    if (is_zero(weight)) return CompactWeight::zero();
    strings.copy_to(strings.without(without, with(weight, rest)), labels);
    if (result.strings.symbols.size() + labels.size() > kMostSymbols) work.fail("its strings become too long");
    return result.strings.add(weight.weight, labels);
  };
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    result.open(moved(view.states[s].final, 0, common[s]));
    for (Arc<CompactWeight> arc : view.arcs_of(s)) {
      arc.weight = moved(arc.weight, common[arc.nextstate], common[s]);
      result.add(arc);
    }
  }
  result.start = view.start;
  return result.finish();
}

CompactLattice push_lattice_weights(const CompactLattice& lattice) {
  constexpr const char* kName = "pushing of weights";
  CompactLattice made = sorted(lattice, kName).packed();
  const View<CompactWeight> view = made.view();
  Work work(kName, view);
  const NoStrings none;
  std::vector<LatticeWeight> to_end(view.num_states);
  for (StateId s = StateId(view.num_states) - 1; s >= 0; --s) {
    LatticeWeight best = CompactWeight(view.states[s].final).weight;
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      const LatticeWeight own = times(CompactWeight(arc.weight).weight, to_end[arc.nextstate]);
      if (compare(own, best) > 0) best = own;
    }
    work.steps(view.states[s].arcs + 1);
    to_end[s] = best;
  }
  if (view.num_states) to_end[0] = LatticeWeight::one();
  FstBuilder<CompactWeight> result;
  result.strings = *view.strings;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    const LatticeWeight own = to_end[s];
    CompactWeight final = view.states[s].final;
    if (!is_zero(own) && !is_zero(final)) final.weight = divide(final.weight, own, Side::kLeft, none);
    result.open(final);
    for (Arc<CompactWeight> arc : view.arcs_of(s)) {
      const LatticeWeight next = to_end[arc.nextstate];
      if (!is_zero(own) && !is_zero(next)) {
        CompactWeight weight = arc.weight;
        weight.weight = times(weight.weight, divide(next, own, Side::kLeft, none));
        arc.weight = weight;
      }
      result.add(arc);
    }
  }
  result.start = view.start;
  return result.finish();
}

CompactLattice minimize_lattice(const CompactLattice& lattice, float delta) {
  constexpr const char* kName = "lattice minimization";
  if (!(delta > 0)) fst_error(kName, ": delta=", delta, "; expected a small positive number");
  CompactLattice given = sorted(lattice, kName).packed();
  const View<CompactWeight> view = given.view();
  Work work(kName, view);
  const auto hash_of_string = [&](const CompactWeight& weight) {
    std::uint64_t hash = weight.length;
    for (const Label label : view.strings->of(weight)) hash = mixed(hash ^ std::uint32_t(label)) + 1;
    return hash;
  };
  // Arcs with the destinations that stand for equal ones, in an order of their own.
  FstBuilder<CompactWeight> result;
  Array<Arc<CompactWeight>> arcs;
  std::vector<std::size_t> begin(view.num_states + 1, 0);
  for (std::size_t s = 0; s < view.num_states; ++s) begin[s + 1] = begin[s] + view.states[s].arcs;
  arcs.resize(begin[view.num_states]);
  std::vector<StateId> stands(view.num_states);
  std::vector<std::uint64_t> hashes(view.num_states);
  const auto of = [&](StateId s) { return std::span(arcs.data() + begin[s], arcs.data() + begin[s + 1]); };
  const auto same_weight = [&](const CompactWeight& a, const CompactWeight& b) {
    return near(a, *view.strings, b, *view.strings, delta);
  };
  const auto same = [&](StateId a, StateId b) {
    return same_weight(view.states[a].final, view.states[b].final) &&
           std::ranges::equal(of(a), of(b), [&](const Arc<CompactWeight>& x, const Arc<CompactWeight>& y) {
             return x.ilabel == y.ilabel && x.nextstate == y.nextstate && same_weight(x.weight, y.weight);
           });
  };
  HashIndex index;
  for (StateId s = StateId(view.num_states) - 1; s >= 0; --s) {
    const auto own = of(s);
    std::ranges::copy(view.arcs_of(s), own.begin());
    work.steps(own.size() + 1);
    for (Arc<CompactWeight>& arc : own) arc.nextstate = stands[arc.nextstate];
    std::ranges::sort(own, [&](const Arc<CompactWeight>& a, const Arc<CompactWeight>& b) {
      if (a.ilabel != b.ilabel) return a.ilabel < b.ilabel;
      if (a.nextstate != b.nextstate) return a.nextstate < b.nextstate;
      return compare(CompactWeight(a.weight), *view.strings, CompactWeight(b.weight), *view.strings) > 0;
    });
    std::uint64_t hash = is_zero(CompactWeight(view.states[s].final)) ? 1 : hash_of_string(view.states[s].final) + 2;
    for (const Arc<CompactWeight>& arc : own) {
      hash = mixed(hash + (std::uint64_t(std::uint32_t(arc.ilabel)) << 32 | std::uint32_t(arc.nextstate))) +
             hash_of_string(arc.weight);
    }
    hashes[s] = mixed(hash);
    const std::uint32_t found = index.find_or_add(hashes[s], std::uint32_t(s),
                                                  [&](std::uint32_t other) { return same(s, StateId(other)); });
    stands[s] = StateId(found);
    if (index.full()) index.grow([&](std::uint32_t other) { return hashes[other]; });
  }
  result.strings = *view.strings;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    result.open(view.states[s].final);
    for (Arc<CompactWeight> arc : view.arcs_of(s)) {
      arc.nextstate = stands[arc.nextstate];
      result.add(arc);
    }
  }
  if (view.start != kNoState) result.start = stands[view.start];
  return connect(result.finish());
}

}  // namespace sonant

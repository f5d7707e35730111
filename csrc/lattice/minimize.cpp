// Pushing and minimization of compact lattices, as Kaldi does them after determinization.
#include <algorithm>
#include <bit>
#include <cmath>

#include "fst/builder.h"
#include "fst/structure.h"
#include "lattice/lattice.h"
#include "fst/label_lists.h"
#include "fst/semiring_division.h"

namespace sonant {

CompactLattice push_strings(const CompactLattice& lattice) {
  constexpr const char* kName = "pushing of strings";
  CompactLattice made = sorted(lattice, kName).packed();
  const View<CompactWeight> view = made.view();
  Work work(kName, view);
  // What the strings from a state on have in common; the start's stays. A string is that of an arc, then what those of
  // its destination have in common.
  Lists lists;
  std::vector<Lists::Id> common(view.num_states, 0);
  struct Reader {
    std::span<const Label> first;
    Lists::Id rest;
    std::size_t at = 0;
    Label next(const Lists& lists) {
      if (at < first.size()) return first[at++];
      const Label label = lists.label(rest);
      rest = lists.rest(rest);
      return label;
    }
  };
  const auto length_of = [&](const CompactWeight& weight, Lists::Id rest) {
    return weight.length + std::size_t(lists.length(rest));
  };
  const auto reader_of = [&](const CompactWeight& weight, Lists::Id rest) {
    return Reader{view.strings->of(weight), rest};
  };
  std::vector<Label> labels;
  for (StateId s = StateId(view.num_states) - 1; s > view.start; --s) {
    const auto arcs = view.arcs_of(s);
    const CompactWeight final = view.states[s].final;
    if (is_zero(final) && arcs.empty()) continue;
    CompactWeight first = final;
    Lists::Id first_rest = 0;
    if (is_zero(final)) {
      first = arcs[0].weight;
      first_rest = common[arcs[0].nextstate];
    }
    const std::size_t whole = length_of(first, first_rest);
    std::size_t most = whole;
    for (const Arc<CompactWeight>& arc : arcs) {
      const Lists::Id rest = common[arc.nextstate];
      const std::size_t end = std::min(most, length_of(arc.weight, rest));
      Reader a = reader_of(first, first_rest), b = reader_of(arc.weight, rest);
      for (most = 0; most < end; ++most) {
        if (a.at == a.first.size() && b.at == b.first.size() && a.rest == b.rest) most = end;
        if (most == end || a.next(lists) != b.next(lists)) break;
      }
      work.steps(most + 1);
    }
    labels.clear();
    Lists::Id made = 0;
    if (most == whole) {
      made = first_rest;
      const auto string = view.strings->of(first);
      labels.assign(string.begin(), string.end());
    } else {
      Reader reader = reader_of(first, first_rest);
      while (labels.size() < most) labels.push_back(reader.next(lists));
    }
    for (std::size_t i = labels.size(); i-- > 0;) made = lists.prepend(labels[i], made);
    common[s] = made;
  }
  FstBuilder<CompactWeight> result;
  const auto moved = [&](const CompactWeight& weight, Lists::Id rest, Lists::Id without) {
    if (is_zero(weight)) return CompactWeight::zero();
    labels.clear();
    const std::size_t length = length_of(weight, rest);
    if (std::size_t drop = lists.length(without); length > drop) {
      Reader reader = reader_of(weight, rest);
      while (drop > 0 && reader.at < reader.first.size()) ++reader.at, --drop;
      reader.rest = lists.without_first(reader.rest, std::uint32_t(drop));
      while (reader.at < reader.first.size() || reader.rest) labels.push_back(reader.next(lists));
    }
    work.steps(labels.size() + 1);
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

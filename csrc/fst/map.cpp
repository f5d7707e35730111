// Mappers of labels and weights: the arcs stay where they are, or are merged with their like.
#include <cmath>

#include "fst/builder.h"
#include "fst/structure.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

// The same states, each arc through `change`, each final weight through `weigh`.
template <class W, class Change, class Weigh>
Fst<W> changed(const Fst<W>& fst, Change change, Weigh weigh, StringsOf<W>* strings, properties::Bits bits) {
  const View<W> view = fst.view();
  FstBuilder<W> result;
  result.states.reserve(view.num_states);
  result.arcs.reserve(view.num_arcs());
  Work work("mapping", view);
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    const W final = view.states[s].final;
    result.open(is_zero(final) ? final : weigh(final));
    const auto arcs = view.arcs_of(s);
    work.steps(arcs.size() + 1);
    for (const Arc<W>& arc : arcs) result.add(change(arc));
  }
  result.start = view.start;
  result.strings = strings ? std::move(*strings) : *view.strings;
  return result.finish(bits);
}

template <class W, class Change>
Fst<W> relabelled(const Fst<W>& fst, Change change) {
  using namespace properties;
  const Bits kept = kNothingKnown | kOfWalk | kTopSorted | kNotTopSorted | kString | kNotString | kWeighted |
                    kUnweighted | kOfCycles;
  return changed(fst, change, [](const W& w) { return w; }, nullptr, fst.stored_properties() & kept);
}

}  // namespace

template <class W>
Fst<W> project(const Fst<W>& fst, Labels side) {
  if (fst.stored_properties() & properties::kAcceptor) return fst;
  return relabelled(fst, [side](Arc<W> arc) {
    (side == Labels::kInput ? arc.olabel : arc.ilabel) = side == Labels::kInput ? arc.ilabel : arc.olabel;
    return arc;
  });
}

template <class W>
Fst<W> invert(const Fst<W>& fst) {
  return relabelled(fst, [](Arc<W> arc) {
    const Label label = arc.ilabel;
    arc.ilabel = arc.olabel;
    arc.olabel = label;
    return arc;
  });
}

template <class W>
Fst<W> relabel(const Fst<W>& fst, const LabelMap& input, const LabelMap& output) {
  const auto look_up = [](const LabelMap& map, Label label) {
    const auto found = map.find(label);
    return found == map.end() ? label : found->second;
  };
  return relabelled(fst, [&](Arc<W> arc) {
    arc.ilabel = look_up(input, arc.ilabel);
    arc.olabel = look_up(output, arc.olabel);
    return arc;
  });
}

namespace {

float power(float value, double exponent) { return static_cast<float>(value * exponent); }
TropicalWeight power(TropicalWeight w, double n) { return {power(w.value, n)}; }
LogWeight power(LogWeight w, double n) { return {power(w.value, n)}; }
LatticeWeight power(LatticeWeight w, double n) { return {power(w.graph, n), power(w.acoustic, n)}; }
KwsIndexWeight power(KwsIndexWeight w, double n) { return {power(w.cost, n), power(w.begin, n), power(w.end, n)}; }
CompactWeight power(const CompactWeight& w, double n) {
  if (w.length && n != 1) fst_error("a weight with a string of transition-ids has no power; convert to a lattice first");
  return {power(w.weight, n), w.begin, w.length};
}

// ilabel, olabel and nextstate in order: arcs that can be merged come side by side.
template <class W>
int order(const Arc<W>& a, const Arc<W>& b) {
  const auto compare = [](std::int32_t x, std::int32_t y) { return x < y ? -1 : x > y; };
  if (const int c = compare(a.ilabel, b.ilabel)) return c;
  if (const int c = compare(a.olabel, b.olabel)) return c;
  return compare(a.nextstate, b.nextstate);
}

template <class W>
Fst<W> merged(const Fst<W>& fst, bool sum) {
  const View<W> view = fst.view();
  FstBuilder<W> result;
  result.strings = *view.strings;
  std::vector<Arc<W>> arcs;
  Work work("mapping", view);
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    result.open(view.states[s].final);
    const auto given = view.arcs_of(s);
    work.steps(given.size() + 1);
    arcs.assign(given.begin(), given.end());
    std::ranges::stable_sort(arcs, [](const Arc<W>& a, const Arc<W>& b) { return order(a, b) < 0; });
    const std::size_t first = result.arcs.size();
    std::size_t alike = first;  // the first one with these labels and this destination
    for (const Arc<W>& arc : arcs) {
      const bool like = alike < result.arcs.size() && order(result.arcs[alike], arc) == 0;
      if (!like) alike = result.arcs.size();
      if (like && sum) {
        W& weight = result.arcs[alike].weight;
        weight = plus(W(weight), W(arc.weight), result.strings);
        continue;
      }
      bool there = false;
      for (std::size_t i = alike; like && !there && i < result.arcs.size(); ++i) {
        there = equal(W(result.arcs[i].weight), result.strings, W(arc.weight), result.strings);
      }
      if (!there) result.add(arc);
    }
  }
  result.start = view.start;
  return result.finish();
}

// One final state with weight one. A final state that has weight one and no arcs may be it.
template <class W>
Fst<W> with_super_final(const Fst<W>& fst) {
  const View<W> view = fst.view();
  StateId last = kNoState;
  std::size_t finals = 0;
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    const State<W>& state = view.states[s];
    if (is_zero(state.final)) continue;
    ++finals;
    if (last == kNoState && is_one(state.final) && state.arcs == 0) last = s;
  }
  if (finals == 0 || (finals == 1 && last != kNoState)) return fst;
  const bool added = last == kNoState;
  if (added) last = static_cast<StateId>(view.num_states);
  FstBuilder<W> result;
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    result.copy(view.states[s], view.arcs_of(s), 0);
    const W final = view.states[s].final;
    if (s == last || is_zero(final)) continue;
    result.states.back().final = W::zero();
    result.add({0, 0, final, last});
  }
  if (added) result.open(W::one());
  result.start = view.start;
  result.strings = *view.strings;
  return result.finish();
}

}  // namespace

template <class W>
Fst<W> mapped(const Fst<W>& fst, Mapper mapper, const W& weight, double exponent, float delta) {
  StringsOf<W> strings = fst.strings();
  const auto weighed = [&](auto weigh) {
    return changed(
        fst,
        [&](Arc<W> arc) {
          if (!is_zero(W(arc.weight))) arc.weight = weigh(arc.weight);
          return arc;
        },
        weigh, &strings, kNothingKnown);
  };
  switch (mapper) {
    case Mapper::kIdentity: return fst;
    case Mapper::kInputEpsilon: return relabelled(fst, [](Arc<W> arc) { return arc.ilabel = 0, arc; });
    case Mapper::kOutputEpsilon: return relabelled(fst, [](Arc<W> arc) { return arc.olabel = 0, arc; });
    case Mapper::kInvert:
      return weighed([&](const W& w) { return divide(W::one(), w, Side::kLeft, strings); });
    case Mapper::kPlus: return weighed([&](const W& w) { return plus(w, weight, strings); });
    case Mapper::kPower: return weighed([&](const W& w) { return power(w, exponent); });
    case Mapper::kQuantize: return weighed([&](const W& w) { return quantize(w, delta); });
    case Mapper::kRemoveWeight: return weighed([](const W&) { return W::one(); });
    case Mapper::kSuperFinal: return with_super_final(fst);
    case Mapper::kTimes: return weighed([&](const W& w) { return times(w, weight, strings); });
    case Mapper::kArcSum: return merged(fst, true);
    case Mapper::kArcUnique: return merged(fst, false);
  }
  fst_error("there is no such mapper");
}

#define SONANT_INSTANTIATE(W)                                                     \
  template Fst<W> project(const Fst<W>&, Labels);                                 \
  template Fst<W> invert(const Fst<W>&);                                          \
  template Fst<W> relabel(const Fst<W>&, const LabelMap&, const LabelMap&);       \
  template Fst<W> mapped(const Fst<W>&, Mapper, const W&, double, float);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

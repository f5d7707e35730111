#include "fst/convert.h"

#include <cmath>

namespace sonant {

namespace {

// A lattice state that a chain runs through: one arc in, one arc out without a word, neither start nor final.
std::vector<char> chain_states(const View<LatticeWeight>& lattice, Label Arc<LatticeWeight>::*word) {
  std::vector<char> chain(lattice.num_states, 0);
  std::vector<char> arcs_in(lattice.num_states, 0);  // 2: two or more
  for (StateId s = 0; s < static_cast<StateId>(lattice.num_states); ++s) {
    for (const auto& arc : lattice.arcs_of(s)) arcs_in[arc.nextstate] = arcs_in[arc.nextstate] ? 2 : 1;
  }
  for (StateId s = 0; s < static_cast<StateId>(lattice.num_states); ++s) {
    const auto arcs = lattice.arcs_of(s);
    chain[s] = s != lattice.start && arcs_in[s] == 1 && arcs.size() == 1 && arcs[0].*word == 0 &&
               is_zero(lattice.states[s].final);
  }
  return chain;
}

template <class W>
void start_with(Fst<W>& fst, StateId start) {
  if (start != kNoState) fst.set_start(start);
}

}  // namespace

Fst<CompactWeight> to_compact(const View<LatticeWeight>& lattice, bool invert) {
  const auto symbol = invert ? &Arc<LatticeWeight>::ilabel : &Arc<LatticeWeight>::olabel;
  const auto word = invert ? &Arc<LatticeWeight>::olabel : &Arc<LatticeWeight>::ilabel;
  const std::vector<char> chain = chain_states(lattice, word);
  std::vector<StateId> number(lattice.num_states, kNoState);
  Fst<CompactWeight> result;
  for (std::size_t s = 0; s < number.size(); ++s) {
    if (!chain[s]) number[s] = result.add_state();
  }
  std::vector<std::int32_t> string;
  for (StateId s = 0; s < static_cast<StateId>(lattice.num_states); ++s) {
    // A loop of nothing but chain states hangs together with nothing and is left out.
    if (chain[s]) continue;
    if (const LatticeWeight final = lattice.states[s].final; !is_zero(final)) {
      result.set_final(number[s], {final, 0, 0});
    }
    for (Arc<LatticeWeight> arc : lattice.arcs_of(s)) {
      string.clear();
      if (arc.*symbol) string.push_back(arc.*symbol);
      const Label label = arc.*word;
      while (chain[arc.nextstate]) {
        const Arc<LatticeWeight> next = lattice.arcs_of(arc.nextstate)[0];
        if (next.*symbol) string.push_back(next.*symbol);
        arc.weight = times(arc.weight, next.weight);
        arc.nextstate = next.nextstate;
      }
      result.add_arc(number[s], {label, label, result.add_string(arc.weight, string), number[arc.nextstate]});
    }
  }
  start_with(result, lattice.start == kNoState ? kNoState : number[lattice.start]);
  result.topological_sort();
  return result;
}

Fst<LatticeWeight> to_plain(const View<CompactWeight>& lattice, bool invert) {
  Fst<LatticeWeight> result;
  result.add_states(lattice.num_states);
  start_with(result, lattice.start);
  // A chain of arcs from `from` that carries the weight, the word on its first arc and the string.
  const auto add = [&](StateId from, Label word, const CompactWeight& weight, StateId to) {
    const auto string = lattice.strings->of(weight);
    LatticeWeight cost = weight.weight;
    for (std::size_t i = 0; i < std::max<std::size_t>(string.size(), 1); ++i) {
      const bool last = i + 1 >= string.size() && to != kNoState;
      const StateId next = last ? to : result.add_state();
      const Label symbol = string.empty() ? 0 : string[i];
      result.add_arc(from, {invert ? symbol : word, invert ? word : symbol, cost, next});
      from = next;
      word = 0;
      cost = LatticeWeight::one();
    }
    return from;
  };
  for (StateId s = 0; s < static_cast<StateId>(lattice.num_states); ++s) {
    const CompactWeight final = lattice.states[s].final;
    if (!is_zero(final)) {
      if (final.length == 0) {
        result.set_final(s, final.weight);
      } else {
        result.set_final(add(s, 0, final, kNoState), LatticeWeight::one());
      }
    }
    for (const Arc<CompactWeight>& arc : lattice.arcs_of(s)) add(s, arc.ilabel, arc.weight, arc.nextstate);
  }
  return result.packed();
}

namespace {

float cost(TropicalWeight w) { return w.value; }
float cost(LogWeight w) { return w.value; }
float cost(LatticeWeight w) { return w.graph + w.acoustic; }
float cost(const CompactWeight& w) { return cost(w.weight); }

template <class To>
To weight_of(float cost) {
  if constexpr (std::is_same_v<To, LatticeWeight>) {
    return cost == kInfinity ? LatticeWeight::zero() : LatticeWeight{cost, 0};
  } else {
    return {cost};
  }
}

// The same states and arcs with other weights.
template <class To, class From, class Map>
Fst<To> mapped_weights(const View<From>& fst, Map map, StringsOf<To> strings = {}) {
  Array<State<To>> states(fst.num_states);
  Array<Arc<To>> arcs;
  arcs.reserve(fst.num_arcs());
  using namespace properties;
  bool weighted = false;
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    states[s].final = map(fst.states[s].final);
    states[s].arcs = fst.states[s].arcs;
    weighted |= !is_plain(states[s].final);
    for (const Arc<From>& arc : fst.arcs_of(s)) {
      arcs.push_back({arc.ilabel, arc.olabel, map(arc.weight), arc.nextstate});
      weighted |= !is_plain(arcs.back().weight);
    }
  }
  Fst<To> result;
  result.adopt(std::move(states), std::move(arcs), std::move(strings), fst.start,
               kExpanded | kMutable | (weighted ? kWeighted : kUnweighted));
  return result;
}

}  // namespace

template <class To, class From>
Fst<To> convert_fst(const View<From>& fst) {
  return mapped_weights<To>(fst, [](const From& w) { return weight_of<To>(cost(w)); });
}

template Fst<TropicalWeight> convert_fst(const View<LatticeWeight>&);
template Fst<TropicalWeight> convert_fst(const View<CompactWeight>&);
template Fst<TropicalWeight> convert_fst(const View<LogWeight>&);
template Fst<LogWeight> convert_fst(const View<TropicalWeight>&);
template Fst<LatticeWeight> convert_fst(const View<TropicalWeight>&);

namespace {

LatticeWeight scaled(LatticeWeight w, const double (&scale)[4]) {
  if (is_zero(w)) return w;
  return {static_cast<float>(scale[0] * w.graph + scale[1] * w.acoustic),
          static_cast<float>(scale[2] * w.graph + scale[3] * w.acoustic)};
}

}  // namespace

template <>
Fst<LatticeWeight> scale_fst(const View<LatticeWeight>& lattice, const double (&scale)[4]) {
  return mapped_weights<LatticeWeight>(lattice, [&](LatticeWeight w) { return scaled(w, scale); });
}

template <>
Fst<CompactWeight> scale_fst(const View<CompactWeight>& lattice, const double (&scale)[4]) {
  return mapped_weights<CompactWeight>(
      lattice, [&](const CompactWeight& w) { return CompactWeight{scaled(w.weight, scale), w.begin, w.length}; },
      *lattice.strings);
}

Fst<CompactWeight> without_strings(const View<CompactWeight>& lattice) {
  return mapped_weights<CompactWeight>(lattice, [](const CompactWeight& w) { return CompactWeight{w.weight, 0, 0}; });
}

}  // namespace sonant

#include "fst_encode.h"

#include <algorithm>
#include <cstring>

namespace sonant {

namespace {

constexpr Label kFinal = -1;  // in place of an output label: a final cost

template <class W>
std::uint64_t hash_of(Label ilabel, Label olabel, const W& weight) {
  std::uint64_t bits[2] = {0, 0};
  static_assert(sizeof weight <= sizeof bits);
  std::memcpy(bits, &weight, sizeof weight);
  return mixed(mixed(bits[0] + bits[1] * 31) + (std::uint64_t(std::uint32_t(ilabel)) << 32 | std::uint32_t(olabel)));
}

}  // namespace

template <class W>
Label EncodeTable<W>::number(const Triple& given) {
  const auto [ilabel, o, w] = given;
  const auto next = static_cast<std::uint32_t>(triples_.size());
  const std::uint32_t found = index_.find_or_add(hash_of(ilabel, o, w), next, [&](std::uint32_t other) {
    const Triple& t = triples_[other];
    return t.ilabel == ilabel && t.olabel == o && std::memcmp(&t.weight, &w, sizeof w) == 0;
  });
  if (found == next) {
    if (next >= kMostStates) fst_error("encoding: more than ", kMostStates, " different labels");
    triples_.push_back(given);
    if (index_.full()) {
      index_.grow([&](std::uint32_t i) { return hash_of(triples_[i].ilabel, triples_[i].olabel, triples_[i].weight); });
    }
  }
  return static_cast<Label>(found) + 1;
}

template <class W>
const typename EncodeTable<W>::Triple& EncodeTable<W>::triple_of(Label label) const {
  if (label < 1 || std::size_t(label) > triples_.size()) {
    fst_error("decoding: label ", label, " was not made by this encoder, which knows labels 1 to ", triples_.size());
  }
  return triples_[std::size_t(label) - 1];
}

template <class W>
Fst<W> EncodeTable<W>::encode(const Fst<W>& fst) {
  const View<W> view = fst.view();
  Tables<W> tables;
  tables.arcs.reserve(view.num_arcs());
  const auto last = static_cast<StateId>(view.num_states);
  for (std::size_t s = 0; s < view.num_states; ++s) {
    State<W> state = view.states[s];
    for (Arc<W> arc : view.arcs_of(StateId(s))) {
      arc.ilabel = number({arc.ilabel, labels_ ? Label(arc.olabel) : 0, weights_ ? W(arc.weight) : W::one()});
      if (labels_) arc.olabel = arc.ilabel;
      if (weights_) arc.weight = W::one();
      tables.arcs.push_back(arc);
    }
    if (weights_ && !is_zero(state.final)) {
      const Label label = number({0, kFinal, state.final});
      tables.arcs.push_back({label, labels_ ? label : 0, W::one(), last});
      ++state.arcs;
      state.final = W::zero();
    }
    tables.states.push_back(state);
  }
  if (weights_ && view.start != kNoState) {
    State<W> state;
    state.final = W::one();
    tables.states.push_back(state);
  }
  using namespace properties;
  Fst<W> result;
  result.adopt(std::move(tables.states), std::move(tables.arcs), {}, view.start,
               kExpanded | kMutable | (labels_ ? kAcceptor | kNoEpsilons | kNoOEpsilons : 0) | kNoIEpsilons |
                   (weights_ ? kUnweighted : 0));
  return result;
}

template <class W>
Fst<W> EncodeTable<W>::decode(const Fst<W>& fst) const {
  const View<W> view = fst.view();
  Tables<W> tables;
  tables.arcs.reserve(view.num_arcs());
  NoStrings none;
  std::vector<char> reached(view.num_states, 0), folded(view.num_states, 0);
  if (view.start != kNoState) reached[view.start] = 1;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    State<W> state = view.states[s];
    const std::size_t first = tables.arcs.size();
    for (Arc<W> arc : view.arcs_of(StateId(s))) {
      bool final = false;
      if (arc.ilabel != 0) {
        if (labels_ && arc.ilabel != arc.olabel) {
          fst_error("decoding: an arc of state ", s, " has labels ", arc.ilabel, " and ", arc.olabel,
                    ", which were not made by encoding labels");
        }
        const Triple& triple = triple_of(arc.ilabel);
        final = triple.olabel == kFinal;
        arc.ilabel = triple.ilabel;
        if (labels_ || final) arc.olabel = final ? 0 : triple.olabel;
        if (weights_) arc.weight = times(W(arc.weight), triple.weight, none);
      }
      // What was a final cost becomes one again.
      const State<W>& to = view.states[arc.nextstate];
      if (final && to.arcs == 0 && !is_zero(W(to.final))) {
        state.final = plus(W(state.final), times(W(arc.weight), W(to.final), none), none);
        folded[arc.nextstate] = 1;
        continue;
      }
      reached[arc.nextstate] = 1;
      tables.arcs.push_back(arc);
    }
    state.arcs = static_cast<std::uint32_t>(tables.arcs.size() - first);
    tables.states.push_back(state);
  }
  // A last state that nothing leads to any more goes; it has no arcs.
  std::vector<StateId> number(view.num_states);
  StateId count = 0;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    number[s] = count;
    const State<W>& state = view.states[s];
    const bool last = weights_ && s + 1 == view.num_states && state.arcs == 0 && !is_zero(W(state.final));
    if ((folded[s] || last) && !reached[s]) continue;
    tables.states[std::size_t(count++)] = tables.states[s];
  }
  tables.states.resize(std::size_t(count));
  for (Arc<W>& arc : tables.arcs) arc.nextstate = number[arc.nextstate];
  Fst<W> result;
  result.adopt(std::move(tables.states), std::move(tables.arcs), {},
               view.start == kNoState ? kNoState : number[view.start], properties::kExpanded | properties::kMutable);
  return result;
}

template class EncodeTable<TropicalWeight>;
template class EncodeTable<LogWeight>;
template class EncodeTable<LatticeWeight>;

}  // namespace sonant

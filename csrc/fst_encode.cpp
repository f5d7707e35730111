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
  FstBuilder<W> result;
  result.start = view.start;
  result.states.reserve(view.num_states + 1);
  result.arcs.reserve(view.num_arcs());
  bool ended = false;  // an arc leads to the last state
  const auto last = static_cast<StateId>(view.num_states);
  for (std::size_t s = 0; s < view.num_states; ++s) {
    const W final = view.states[s].final;
    result.open(weights_ ? W::zero() : final);
    for (Arc<W> arc : view.arcs_of(StateId(s))) {
      arc.ilabel = number({arc.ilabel, labels_ ? Label(arc.olabel) : 0, weights_ ? W(arc.weight) : W::one()});
      if (labels_) arc.olabel = arc.ilabel;
      if (weights_) arc.weight = W::one();
      result.add(arc);
    }
    if (weights_ && !is_zero(final)) {
      ended = true;
      const Label label = number({0, kFinal, final});
      result.add({label, labels_ ? label : 0, W::one(), last});
    }
  }
  if (ended || (weights_ && view.start != kNoState)) result.open(W::one());
  using namespace properties;
  return result.finish(kExpanded | kMutable | (labels_ ? kAcceptor | kNoEpsilons | kNoOEpsilons : 0) | kNoIEpsilons |
                       (weights_ ? kUnweighted : 0));
}

template <class W>
Fst<W> EncodeTable<W>::decode(const Fst<W>& fst) const {
  const View<W> view = fst.view();
  FstBuilder<W> result;
  result.states.reserve(view.num_states);
  result.arcs.reserve(view.num_arcs());
  NoStrings none;
  std::vector<char> reached(view.num_states, 0), folded(view.num_states, 0);
  if (view.start != kNoState) reached[view.start] = 1;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    result.open(view.states[s].final);
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
        W& own = result.states.back().final;
        own = plus(W(own), times(W(arc.weight), W(to.final), none), none);
        folded[arc.nextstate] = 1;
        continue;
      }
      reached[arc.nextstate] = 1;
      result.add(arc);
    }
  }
  // A last state that nothing leads to any more goes; it has no arcs.
  std::vector<StateId> number(view.num_states);
  StateId count = 0;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    number[s] = count;
    const State<W>& state = view.states[s];
    const bool last = weights_ && s + 1 == view.num_states && state.arcs == 0 && !is_zero(W(state.final));
    if ((folded[s] || last) && !reached[s]) continue;
    result.states[std::size_t(count++)] = result.states[s];
  }
  result.states.resize(std::size_t(count));
  for (Arc<W>& arc : result.arcs) arc.nextstate = number[arc.nextstate];
  if (view.start != kNoState) result.start = number[view.start];
  return result.finish();
}

template class EncodeTable<TropicalWeight>;
template class EncodeTable<LogWeight>;
template class EncodeTable<LatticeWeight>;

}  // namespace sonant

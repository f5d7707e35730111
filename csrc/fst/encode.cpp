#include "fst/encode.h"

#include <algorithm>
#include <cstring>

namespace sonant {

namespace {

template <class W>
constexpr std::size_t kCosts = W::floats * sizeof(float);  // a string comes behind them

template <class W>
std::uint64_t hash_of(const typename EncodeTable<W>::Triple& triple, const StringsOf<W>& strings) {
  std::uint64_t bits[2] = {0, 0};
  static_assert(kCosts<W> <= sizeof bits);
  std::memcpy(bits, &triple.weight, kCosts<W>);
  std::uint64_t hash = mixed(bits[0] + bits[1] * 31);
  if constexpr (has_strings<W>) {
    for (const std::int32_t symbol : strings.of(triple.weight)) hash = mixed(hash ^ std::uint32_t(symbol)) + 1;
  }
  (void)strings;
  return mixed(hash + (std::uint64_t(std::uint32_t(triple.ilabel)) << 32 | std::uint32_t(triple.olabel)));
}

}  // namespace

template <class W>
bool EncodeTable<W>::is(std::uint32_t number, const Triple& triple, const StringsOf<W>& strings) const {
  const Triple& t = triples_[number];
  if (t.ilabel != triple.ilabel || t.olabel != triple.olabel) return false;
  if (std::memcmp(&t.weight, &triple.weight, kCosts<W>) != 0) return false;
  if constexpr (has_strings<W>) return std::ranges::equal(strings_.of(t.weight), strings.of(triple.weight));
  return true;
}

template <class W>
void EncodeTable<W>::push(const Triple& triple, const StringsOf<W>& strings) {
  if (triples_.size() >= kMostStates) fst_error("encoding: more than ", kMostStates, " different labels");
  triples_.push_back(triple);
  if constexpr (has_strings<W>) {
    if (strings_.symbols.size() + triple.weight.length > kMostSymbols) {
      fst_error("encoding: more than ", kMostSymbols, " symbols in strings");
    }
    triples_.back().weight = strings_.add(triple.weight.weight, strings.of(triple.weight));
  }
  if (index_.full()) index_.grow([&](std::uint32_t i) { return hash_of<W>(triples_[i], strings_); });
}

template <class W>
Label EncodeTable<W>::number(const Triple& arc, const StringsOf<W>& strings) {
  const Triple triple = encoded(arc);
  const auto next = static_cast<std::uint32_t>(triples_.size());
  const std::uint32_t found = index_.find_or_add(hash_of<W>(triple, strings), next,
                                                 [&](std::uint32_t other) { return is(other, triple, strings); });
  if (found == next) push(triple, strings);
  return static_cast<Label>(found) + 1;
}

template <class W>
Label EncodeTable<W>::find(const Triple& arc, const StringsOf<W>& strings) const {
  const Triple triple = encoded(arc);
  const std::uint32_t found =
      index_.find(hash_of<W>(triple, strings), [&](std::uint32_t other) { return is(other, triple, strings); });
  return found == HashIndex::kNone ? 0 : static_cast<Label>(found) + 1;
}

template <class W>
void EncodeTable<W>::append(const Triple& triple, const StringsOf<W>& strings) {
  index_.find_or_add(hash_of<W>(triple, strings), static_cast<std::uint32_t>(triples_.size()),
                     [&](std::uint32_t other) { return is(other, triple, strings); });
  push(triple, strings);
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
  if (!weights_) result.strings = *view.strings;
  const Label mark = finals_ == EncodedFinals::kOwn ? kFinalLabel : 0;
  bool ended = false;  // an arc leads to the last state
  const auto last = static_cast<StateId>(view.num_states);
  for (std::size_t s = 0; s < view.num_states; ++s) {
    const W final = view.states[s].final;
    result.open(weights_ ? W::zero() : final);
    for (Arc<W> arc : view.arcs_of(StateId(s))) {
      arc.ilabel = number({arc.ilabel, arc.olabel, arc.weight}, *view.strings);
      if (labels_) arc.olabel = arc.ilabel;
      if (weights_) arc.weight = W::one();
      result.add(arc);
    }
    if (weights_ && !is_zero(final)) {
      ended = true;
      const Label label = number({mark, mark, final}, *view.strings);
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
  Work work("decoding", view);
  FstBuilder<W> result;
  result.states.reserve(view.num_states);
  result.arcs.reserve(view.num_arcs());
  result.strings = *view.strings;
  const std::uint32_t shift = append_strings<W>(result.strings, strings_);
  for (std::size_t s = 0; s < view.num_states; ++s) {
    result.open(view.states[s].final);
    for (Arc<W> arc : view.arcs_of(StateId(s))) {
      work.step();
      if (arc.ilabel != 0) {
        if (labels_ && arc.ilabel != arc.olabel) {
          fst_error("decoding: an arc of state ", s, " has labels ", arc.ilabel, " and ", arc.olabel,
                    ", which were not made by encoding labels");
        }
        const Triple& triple = triple_of(arc.ilabel);
        const bool final = triple.ilabel == kFinalLabel && triple.olabel == kFinalLabel;
        arc.ilabel = final ? 0 : triple.ilabel;
        if (labels_ || final) arc.olabel = final ? 0 : triple.olabel;
        if (weights_) arc.weight = times(W(arc.weight), shifted(triple.weight, shift), result.strings);
      }
      const State<W>& to = view.states[arc.nextstate];
      if (arc.ilabel == 0 && arc.olabel == 0 && to.arcs == 0) {  // as a final cost became
        if (is_zero(W(to.final))) continue;
        W& own = result.states.back().final;
        own = plus(W(own), times(W(arc.weight), W(to.final), result.strings), result.strings);
        continue;
      }
      result.add(arc);
    }
  }
  result.start = view.start;
  connect(result, work);
  return result.finish();
}

template class EncodeTable<TropicalWeight>;
template class EncodeTable<LogWeight>;
template class EncodeTable<LatticeWeight>;
template class EncodeTable<CompactWeight>;
template class EncodeTable<KwsIndexWeight>;

}  // namespace sonant

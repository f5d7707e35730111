#include "fst/fst.h"

#include <algorithm>
#include <numeric>

namespace sonant {

template <class W>
Fst<W> Fst<W>::over(std::shared_ptr<const void> owner, std::span<const State<W>> states,
                    std::span<const Arc<W>> arcs, StateId start, properties::Bits bits) {
  Fst fst;
  Tables& tables = *fst.tables_;
  tables.owner = std::move(owner);
  tables.view = {states.data(), arcs.data(), states.size(), arcs.size(), kNoState, &tables.strings};
  fst.start_ = start;
  fst.properties_ = bits;
  return fst;
}

template <class W>
void Fst<W>::adopt(Array<State<W>> states, Array<Arc<W>> arcs, StringsOf<W> strings, StateId start,
                   properties::Bits bits) {
  auto tables = std::make_shared<Tables>();
  std::uint32_t begin = 0;
  bool sound = true;
  for (State<W>& state : states) {
    std::uint32_t iepsilons = 0, oepsilons = 0;
    for (const Arc<W>& arc : std::span(arcs.data() + begin, state.arcs)) {
      iepsilons += arc.ilabel == 0;
      oepsilons += arc.olabel == 0;
      sound &= static_cast<std::uint32_t>(arc.nextstate) < states.size();
    }
    state.begin = begin;
    state.iepsilons = iepsilons;
    state.oepsilons = oepsilons;
    begin += state.arcs;
  }
  tables->sound.store(sound);
  tables->states = std::move(states);
  tables->arcs = std::move(arcs);
  tables->strings = std::move(strings);
  tables->look();
  tables_ = std::move(tables);
  start_ = start;
  properties_ = bits;
}

template <class W>
const State<W>& Fst<W>::state(StateId s) const {
  return tables_->view.states[valid(s)];
}

template <class W>
std::span<const Arc<W>> Fst<W>::arcs_of(StateId s) const {
  const State<W>& of = state(s);
  if (std::uint64_t(of.begin) + of.arcs > tables_->view.num_slots) {  // a mapped file may say anything
    fst_error("state ", s, " has arcs ", of.begin, " to ", std::uint64_t(of.begin) + of.arcs, " of only ",
              tables_->view.num_slots, ": the file is corrupt");
  }
  return tables_->view.arcs_of(s);
}

template <class W>
View<W> Fst<W>::tables() const {
  if (tables_->owner && !is_packed()) {
    fst_error("the arcs of the states do not lie side by side: the file is corrupt");
  }
  View<W> view = tables_->view;
  view.start = start_;
  return view;
}

template <class W>
void Fst<W>::check() const {
  const View<W>& view = tables_->view;
  if (start_ != kNoState && !view.has(start_)) {
    fst_error("the start state ", start_, " is not there; the automaton has ", view.num_states, " states");
  }
  if (tables_->sound.load(std::memory_order_acquire)) return;
  tables();
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    const std::span<const Arc<W>> arcs = arcs_of(s);
    if (view.states[s].iepsilons > arcs.size() || view.states[s].oepsilons > arcs.size()) {
      fst_error("state ", s, " has more epsilons than its ", arcs.size(), " arcs: the file is corrupt");
    }
    for (std::size_t i = 0; i < arcs.size(); ++i) {
      if (!view.has(arcs[i].nextstate)) {
        fst_error("arc ", i, " of state ", s, " leads to state ", arcs[i].nextstate,
                  ", which is not there; the automaton has ", view.num_states, " states");
      }
    }
  }
  tables_->sound.store(true, std::memory_order_release);
}

template <class W>
bool Fst<W>::is_packed() const {
  if (tables_->packed.load(std::memory_order_relaxed)) return true;
  const View<W>& view = tables_->view;
  std::uint64_t begin = 0;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    if (view.states[s].begin != begin) return false;
    begin += view.states[s].arcs;
  }
  tables_->packed.store(begin == view.num_slots, std::memory_order_relaxed);
  return begin == view.num_slots;
}

template <class W>
std::shared_ptr<typename Fst<W>::Tables> Fst<W>::copy(const Tables& from) {
  auto to = std::make_shared<Tables>();
  const View<W>& view = from.view;
  to->states.assign(view.states, view.states + view.num_states);
  std::size_t count = 0;
  for (const State<W>& state : to->states) count += state.arcs;
  to->arcs.reserve(count);
  for (State<W>& state : to->states) {
    const Arc<W>* arcs = view.arcs + state.begin;
    state.begin = static_cast<std::uint32_t>(to->arcs.size());
    to->arcs.append(arcs, arcs + state.arcs);
  }
  to->strings = from.strings;
  to->sound.store(from.sound.load());
  to->look();
  return to;
}

template <class W>
Fst<W> Fst<W>::packed() const {
  if (is_packed()) return *this;
  Fst result = *this;
  if (tables_->owner) check();
  result.tables_ = copy(*tables_);
  return result;
}

template <class W>
typename Fst<W>::Tables& Fst<W>::change() {
  if (tables_.use_count() > 1 || tables_->owner) {
    if (tables_->owner) check();
    tables_ = copy(*tables_);
  } else {
    std::atomic_thread_fence(std::memory_order_acquire);  // what the last reader elsewhere did is over
  }
  Tables& tables = *tables_;
  if (tables.room.size() != tables.states.size()) {
    tables.room.clear();
    tables.room.reserve(tables.states.capacity());
    for (const State<W>& state : tables.states) tables.room.push_back(state.arcs);
  }
  tables.sound.store(false, std::memory_order_relaxed);
  tables.packed.store(false, std::memory_order_relaxed);
  return tables;
}

template <class W>
void Fst<W>::set_start(StateId s) {
  if (s != kNoState) valid(s);
  start_ = s;
  properties_ = properties::after_set_start(properties_);
}

template <class W>
void Fst<W>::set_final(StateId s, const W& weight) {
  valid(s);
  State<W>& state = change().states[s];
  properties_ = properties::after_set_final(properties_, is_plain(state.final), is_plain(weight));
  state.final = weight;
}

template <class W>
void Fst<W>::add_states(std::uint64_t count) {
  Tables& tables = change();
  if (tables.states.size() + count > kMostStates || count > kMostStates) {
    fst_error(tables.states.size(), " and ", count, " states are more than an automaton can have (", kMostStates, ")");
  }
  State<W> state;
  state.begin = static_cast<std::uint32_t>(tables.arcs.size());
  tables.states.resize(tables.states.size() + count, state);
  tables.room.resize(tables.states.size(), 0);
  tables.look();
  properties_ = properties::after_add_state(properties_);
}

template <class W>
StateId Fst<W>::add_state() {
  add_states(1);
  return static_cast<StateId>(num_states() - 1);
}

// Room for `count` arcs of a state: where its slots end the table they grow in place, else they move to the end.
template <class W>
void Fst<W>::make_room(Tables& tables, StateId s, std::uint64_t count) {
  State<W>& state = tables.states[s];
  std::uint32_t& room = tables.room[s];
  if (count <= room) return;
  const bool last = std::uint64_t(state.begin) + room == tables.arcs.size();
  const std::uint64_t begin = last || room == 0 ? tables.arcs.size() - (last ? room : 0) : tables.arcs.size();
  const std::uint64_t wanted = last || room == 0 ? count : std::max<std::uint64_t>(count, 2 * std::uint64_t(room));
  if (begin + wanted > kMostArcs) fst_error("more arcs than an automaton can have (", kMostArcs, ")");
  const std::uint64_t end = begin + wanted;
  if (end > tables.arcs.capacity()) {  // at least double, so that adding one by one is linear
    tables.arcs.reserve(std::min<std::uint64_t>(kMostArcs, std::max<std::uint64_t>(end, 2 * tables.arcs.capacity())));
  }
  tables.arcs.resize(end);
  if (begin != state.begin) {
    std::copy_n(tables.arcs.begin() + state.begin, state.arcs, tables.arcs.begin() + begin);
    state.begin = static_cast<std::uint32_t>(begin);
  }
  room = static_cast<std::uint32_t>(wanted);
  tables.look();
}

template <class W>
void Fst<W>::add_arc(StateId s, const Arc<W>& given) {
  valid(s);
  const Arc<W> arc = given;  // it may be one of ours, which the table's growth would move
  Tables& tables = change();
  make_room(tables, s, std::uint64_t(tables.states[s].arcs) + 1);
  State<W>& state = tables.states[s];
  Arc<W>* arcs = tables.arcs.data() + state.begin;
  const properties::ArcFacts previous = state.arcs ? facts(arcs[state.arcs - 1]) : properties::ArcFacts{};
  properties_ =
      properties::after_add_arc(properties_, s, facts(arc), arc.nextstate, state.arcs ? &previous : nullptr);
  arcs[state.arcs] = arc;
  ++state.arcs;
  state.iepsilons += arc.ilabel == 0;
  state.oepsilons += arc.olabel == 0;
}

template <class W>
void Fst<W>::set_arc(StateId s, std::size_t position, const Arc<W>& given) {
  if (position >= state(s).arcs) {
    fst_error<FstIndexError>("arc ", position, " of state ", s, " is not there; the state has ", state(s).arcs,
                             " arcs");
  }
  const Arc<W> arc = given;
  Tables& tables = change();
  State<W>& state = tables.states[s];
  Arc<W>& old = tables.arcs[state.begin + position];
  properties_ = properties::after_set_arc(properties_, facts(old), facts(arc));
  state.iepsilons += (arc.ilabel == 0) - (old.ilabel == 0);
  state.oepsilons += (arc.olabel == 0) - (old.olabel == 0);
  old = arc;
}

template <class W>
void Fst<W>::delete_arcs(StateId s) {
  delete_last_arcs(s, state(s).arcs);
}

template <class W>
void Fst<W>::delete_last_arcs(StateId s, std::size_t count) {
  if (count > state(s).arcs) {
    fst_error("state ", s, " has ", state(s).arcs, " arcs; ", count, " of them cannot be deleted");
  }
  Tables& tables = change();
  State<W>& state = tables.states[s];
  for (std::size_t i = 0; i < count; ++i) {
    const Arc<W>& arc = tables.arcs[state.begin + --state.arcs];
    state.iepsilons -= arc.ilabel == 0;
    state.oepsilons -= arc.olabel == 0;
  }
  properties_ = properties::after_delete_arcs(properties_);
}

template <class W>
void Fst<W>::delete_states() {
  tables_ = std::make_shared<Tables>();
  start_ = kNoState;
  properties_ = properties::kNull | (properties_ & properties::kBinary);
}

template <class W>
void Fst<W>::delete_states(std::span<const StateId> states) {
  const View<W> old = view();
  std::vector<StateId> number(old.num_states, 0);
  for (const StateId s : states) number[valid(s)] = kNoState;
  StateId kept = 0;
  for (StateId& n : number) {
    if (n != kNoState) n = kept++;
  }
  Array<State<W>> new_states;
  Array<Arc<W>> new_arcs;
  new_states.reserve(kept);
  for (std::size_t s = 0; s < old.num_states; ++s) {
    if (number[s] == kNoState) continue;
    State<W> state = old.states[s];
    state.arcs = 0;
    for (Arc<W> arc : old.arcs_of(static_cast<StateId>(s))) {
      arc.nextstate = number[arc.nextstate];
      if (arc.nextstate == kNoState) continue;
      new_arcs.push_back(arc);
      ++state.arcs;
    }
    new_states.push_back(state);
  }
  StringsOf<W> strings = *old.strings;
  const StateId start = start_ == kNoState ? kNoState : number[start_];
  adopt(std::move(new_states), std::move(new_arcs), std::move(strings), start,
        properties::after_delete_states(properties_));
}

template <class W>
void Fst<W>::reserve_states(std::uint64_t count) {
  if (count > kMostStates) fst_error(count, " states are more than an automaton can have (", kMostStates, ")");
  Tables& tables = change();
  tables.states.reserve(count);
  tables.room.reserve(count);
  tables.look();
}

template <class W>
void Fst<W>::reserve_arcs(StateId s, std::uint64_t count) {
  valid(s);
  make_room(change(), s, count);
}

template <class W>
void Fst<W>::sort_arcs(bool by_output) {
  Tables& tables = change();
  const auto by_i = [](const Arc<W>& a, const Arc<W>& b) { return a.ilabel < b.ilabel; };
  const auto by_o = [](const Arc<W>& a, const Arc<W>& b) { return a.olabel < b.olabel; };
  for (const State<W>& state : tables.states) {
    const auto begin = tables.arcs.begin() + state.begin, end = begin + state.arcs;
    if (by_output) {
      if (!std::is_sorted(begin, end, by_o)) std::stable_sort(begin, end, by_o);
    } else if (!std::is_sorted(begin, end, by_i)) {
      std::stable_sort(begin, end, by_i);
    }
  }
  properties_ = properties::after_arc_sort(properties_, by_output);
}

template <class W>
void Fst<W>::reorder(std::span<const StateId> order) {
  const View<W> old = view();
  if (order.size() != old.num_states) fst_error("an order of ", order.size(), " for ", old.num_states, " states");
  std::vector<StateId> at(old.num_states, kNoState);
  for (std::size_t s = 0; s < order.size(); ++s) {
    if (!old.has(order[s]) || at[order[s]] != kNoState) fst_error("the order of states is not a permutation");
    at[order[s]] = static_cast<StateId>(s);
  }
  Array<State<W>> states;
  Array<Arc<W>> arcs;
  states.reserve(old.num_states);
  arcs.reserve(old.num_arcs());
  for (const StateId s : at) {
    states.push_back(old.states[s]);
    for (Arc<W> arc : old.arcs_of(s)) {
      arc.nextstate = order[arc.nextstate];
      arcs.push_back(arc);
    }
  }
  StringsOf<W> strings = *old.strings;
  using namespace properties;
  adopt(std::move(states), std::move(arcs), std::move(strings), start_ == kNoState ? kNoState : order[start_],
        properties_ & ~(kTopSorted | kNotTopSorted | kString | kNotString));
}

template <class W>
bool Fst<W>::topological_sort() {
  using namespace properties;
  const std::vector<StateId> order = topological_order(view());
  if (order.empty() && num_states() > 0) {
    set_properties(kCyclic | kNotTopSorted, kCyclic | kAcyclic | kTopSorted | kNotTopSorted);
    return false;
  }
  reorder(order);
  const Bits sorted = kAcyclic | kInitialAcyclic | kTopSorted;
  set_properties(sorted, known(sorted) & kTrinary);
  return true;
}

template <class W>
CompactWeight Fst<W>::add_string(LatticeWeight weight, std::span<const std::int32_t> string)
  requires has_strings<W>
{
  if (string.empty()) return {weight, 0, 0};
  Tables& tables = change();
  if (tables.strings.symbols.size() + string.size() > kMostSymbols) {
    fst_error("the strings of the lattice are longer than they can be (", kMostSymbols, " symbols)");
  }
  return tables.strings.add(weight, string);
}

// ---- Looking at a whole automaton

template <class W>
std::string flaw(const View<W>& fst) {
  std::ostringstream text;
  if (fst.start == kNoState) {
    if (fst.num_states) text << "there is no start state";
  } else if (!fst.has(fst.start)) {
    text << "the start state " << fst.start << " is not there; there are " << fst.num_states << " states";
  }
  if (text.tellp() != 0) return text.str();
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    if (!is_member(fst.states[s].final)) {
      text << "the final weight of state " << s << " is not a cost";
      return text.str();
    }
    const auto arcs = fst.arcs_of(s);
    for (std::size_t i = 0; i < arcs.size(); ++i) {
      const Arc<W>& arc = arcs[i];
      if (fst.has(arc.nextstate) && arc.ilabel >= 0 && arc.olabel >= 0 && is_member(arc.weight)) continue;
      if (!fst.has(arc.nextstate)) {
        text << "arc " << i << " of state " << s << " leads to state " << arc.nextstate << "; there are "
             << fst.num_states << " states";
      } else if (arc.ilabel < 0 || arc.olabel < 0) {
        text << "arc " << i << " of state " << s << " has the label " << std::min(arc.ilabel, arc.olabel)
             << "; expected 0 or more";
      } else {
        text << "the weight of arc " << i << " of state " << s << " is not a cost";
      }
      return text.str();
    }
  }
  return {};
}

template <class W>
bool same(const View<W>& a, const View<W>& b, float delta) {
  if (a.start != b.start || a.num_states != b.num_states) return false;
  const auto alike = [&](const W& v, const W& w) { return near(v, *a.strings, w, *b.strings, delta); };
  for (StateId s = 0; s < static_cast<StateId>(a.num_states); ++s) {
    if (!alike(a.states[s].final, b.states[s].final) || a.states[s].arcs != b.states[s].arcs) return false;
    const auto left = a.arcs_of(s), right = b.arcs_of(s);
    for (std::size_t i = 0; i < left.size(); ++i) {
      const Arc<W>&x = left[i], &y = right[i];
      if (x.ilabel != y.ilabel || x.olabel != y.olabel || x.nextstate != y.nextstate || !alike(x.weight, y.weight)) {
        return false;
      }
    }
  }
  return true;
}

#define SONANT_INSTANTIATE(W)                                    \
  template class Fst<W>;                                         \
  template std::string flaw(const View<W>&);                     \
  template bool same(const View<W>&, const View<W>&, float);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

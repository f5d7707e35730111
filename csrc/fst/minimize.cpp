#include "fst/minimize.h"

#include <algorithm>
#include <cstring>

#include "fst/builder.h"
#include "fst/distance.h"
#include "fst/encode.h"
#include "fst/structure.h"
#include "fst/label_lists.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

template <class W>
std::uint64_t bits_of(const W& weight) {
  std::uint64_t bits = 0;
  static_assert(sizeof weight <= sizeof bits);
  std::memcpy(&bits, &weight, sizeof weight);
  return bits;
}

// To a multiple of `delta`; 0 and -0 are the same cost.
template <class W>
W rounded(const W& w, float delta) {
  W q = quantize(w, delta);
  float parts[W::floats];
  std::memcpy(parts, &q, sizeof parts);
  for (float& part : parts) part += 0.0f;
  std::memcpy(static_cast<void*>(&q), parts, sizeof parts);  // a string stays
  return q;
}

template <class W>
bool before(const Arc<W>& a, const Arc<W>& b) {
  if (a.ilabel != b.ilabel) return a.ilabel < b.ilabel;
  if (a.olabel != b.olabel) return a.olabel < b.olabel;
  const std::uint64_t x = bits_of(W(a.weight)), y = bits_of(W(b.weight));
  if (x != y) return x < y;
  return a.nextstate < b.nextstate;
}
template <class W>
bool alike(const Arc<W>& a, const Arc<W>& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// States, each once: final cost and the set of arcs.
template <class W>
class Register {
 public:
  // `arcs` lead to numbers of this register, or of a partition.
  StateId number(const W& final, Array<Arc<W>>& arcs) {
    if (!std::is_sorted(arcs.begin(), arcs.end(), before<W>)) std::sort(arcs.begin(), arcs.end(), before<W>);
    arcs.resize(static_cast<std::size_t>(std::unique(arcs.begin(), arcs.end(), alike<W>) - arcs.begin()));
    const auto next = static_cast<std::uint32_t>(states.size());
    const std::uint32_t found = index_.find_or_add(hash_of(final, {arcs.data(), arcs.size()}), next, [&](std::uint32_t other) {
      const State<W>& state = states[other];
      return bits_of(W(state.final)) == bits_of(final) && state.arcs == arcs.size() &&
             std::equal(arcs.begin(), arcs.end(), this->arcs.begin() + state.begin, alike<W>);
    });
    if (found == next) {
      State<W> state;
      state.final = final;
      state.begin = static_cast<std::uint32_t>(this->arcs.size());
      state.arcs = static_cast<std::uint32_t>(arcs.size());
      states.push_back(state);
      this->arcs.append(arcs.begin(), arcs.end());
      if (index_.full()) {
        index_.grow([&](std::uint32_t other) {
          const State<W>& of = states[other];
          return hash_of(of.final, {this->arcs.data() + of.begin, of.arcs});
        });
      }
    }
    return StateId(found);
  }
  Array<State<W>> states;
  Array<Arc<W>> arcs;

 private:
  static std::uint64_t hash_of(const W& final, std::span<const Arc<W>> arcs) {
    std::uint64_t hash = bits_of(final) ^ arcs.size();
    for (const Arc<W>& arc : arcs) {
      hash = mixed(hash ^ (std::uint64_t(std::uint32_t(arc.ilabel)) << 32 | std::uint32_t(arc.nextstate)));
      hash += bits_of(W(arc.weight)) * 31 + std::uint32_t(arc.olabel);
    }
    return mixed(hash);
  }
  HashIndex index_;
};

// The coarsest partition of states such that those of a block have the same final cost and the same labels and costs
// on arcs to the same blocks (the same number of times), by hashes that begin with `seed`.
template <class W>
Array<StateId> refine(const View<W>& fst, float delta, std::uint64_t seed, StateId& blocks, Work& work) {
  const std::size_t n = fst.num_states;
  const auto label_of = [&](const Arc<W>& arc) {
    return mixed(seed ^ (std::uint64_t(std::uint32_t(arc.ilabel)) << 32 | std::uint32_t(arc.olabel))) +
           bits_of(rounded(W(arc.weight), delta)) * 0x9e3779b97f4a7c15ULL;
  };
  const auto term = [](std::uint64_t label, StateId block) {
    return mixed(label + std::uint64_t(block) * 0xd1342543de82ef95ULL);
  };
#pragma pack(push, 4)
  struct Incoming {
    std::uint64_t label;
    StateId from;
  };
#pragma pack(pop)
  Array<std::uint32_t> begin(n + 2, 0);
  Array<std::uint64_t> sum(n, 0);
  for (std::size_t s = 0; s < n; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) ++begin[arc.nextstate + 2];
  }
  for (std::size_t s = 2; s < n + 2; ++s) begin[s] += begin[s - 1];
  Array<Incoming> incoming;
  incoming.resize_for_overwrite(begin[n + 1]);
  for (std::size_t s = 0; s < n; ++s) {
    sum[s] = mixed(seed + bits_of(rounded(W(fst.states[s].final), delta)));
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
      const std::uint64_t label = label_of(arc);
      incoming[begin[arc.nextstate + 1]++] = {label, StateId(s)};
      sum[s] += term(label, 0);
    }
  }
  // Members of a block lie side by side in `members`; the first `dirty` of them have a new sum.
  struct Block {
    std::uint32_t begin, end, dirty;
  };
  Array<Block> block = {{0, std::uint32_t(n), std::uint32_t(n)}};
  Array<StateId> members(n), of(n, 0), queue = {0};
  Array<std::uint32_t> place(n);
  for (std::size_t s = 0; s < n; ++s) members[s] = StateId(s), place[s] = std::uint32_t(s);
  struct Part {
    std::uint64_t sum;
    std::uint32_t begin, end;
  };
  std::vector<Part> parts;
  const auto set = [&](std::uint32_t at, StateId s) {
    members[at] = s;
    place[s] = at;
  };
  std::vector<StateId> sorted;
  while (!queue.empty()) {
    const StateId b = queue.back();
    queue.pop_back();
    const Block old = block[b];
    block[b].dirty = 0;
    const std::uint32_t middle = old.begin + old.dirty;
    if (old.end - old.begin == 1) continue;
    // The dirty members by their sums; those with the sum of the clean ones go to these.
    sorted.assign(members.begin() + old.begin, members.begin() + middle);
    std::ranges::sort(sorted, [&](StateId x, StateId y) { return sum[x] != sum[y] ? sum[x] < sum[y] : x < y; });
    std::uint32_t rest = middle;
    if (middle < old.end) {
      const std::uint64_t clean = sum[members[middle]];
      const auto same = std::ranges::equal_range(sorted, clean, {}, [&](StateId s) { return sum[s]; });
      const std::vector<StateId> back(same.begin(), same.end());
      sorted.erase(same.begin(), same.end());
      for (const StateId s : back) sorted.push_back(s);
      rest = middle - std::uint32_t(back.size());
    }
    for (std::uint32_t i = 0; i < sorted.size(); ++i) set(old.begin + i, sorted[i]);
    parts.clear();
    for (std::uint32_t i = old.begin; i < rest;) {
      const std::uint32_t first = i;
      const std::uint64_t own = sum[members[i]];
      while (i < rest && sum[members[i]] == own) ++i;
      parts.push_back({own, first, i});
    }
    if (rest < old.end) parts.push_back({0, rest, old.end});
    if (parts.size() == 1) continue;
    const auto largest = std::ranges::max_element(parts, {}, [](const Part& p) { return p.end - p.begin; });
    block[b] = {largest->begin, largest->end, 0};
    const auto first_new = static_cast<StateId>(block.size());
    for (auto part = parts.begin(); part != parts.end(); ++part) {
      if (part == largest) continue;
      const auto name = static_cast<StateId>(block.size());
      block.push_back({part->begin, part->end, 0});
      for (std::uint32_t i = part->begin; i < part->end; ++i) of[members[i]] = name;
    }
    for (StateId name = first_new; name < StateId(block.size()); ++name) {
      // Members may change their places meanwhile, but not their block.
      sorted.assign(members.begin() + block[name].begin, members.begin() + block[name].end);
      for (const StateId s : sorted) {
        for (std::uint32_t i = begin[s]; i < begin[s + 1]; ++i) {
          work.step();
          const auto [label, from] = incoming[i];
          sum[from] += term(label, name) - term(label, b);
          Block& its = block[of[from]];
          if (place[from] < its.begin + its.dirty) continue;
          if (its.dirty == 0) queue.push_back(of[from]);
          const std::uint32_t to = its.begin + its.dirty++, old_place = place[from];
          const StateId other = members[to];
          set(to, from);
          set(old_place, other);
        }
      }
    }
  }
  blocks = static_cast<StateId>(block.size());
  return of;
}

// The states so that arcs lead to later ones, the start first (Kahn 1962), of an automaton whose states are all on
// paths from there; empty where there is a cycle.
template <class W>
Array<StateId> acyclic_order(const View<W>& fst) {
  Array<std::uint32_t> into(fst.num_states, 0);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) ++into[arc.nextstate];
  }
  Array<StateId> order;
  if (into[fst.start] > 0) return order;
  order.reserve(fst.num_states);
  order.push_back(fst.start);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const Arc<W>& arc : fst.arcs_of(order[i])) {
      if (--into[arc.nextstate] == 0) order.push_back(arc.nextstate);
    }
  }
  if (order.size() < fst.num_states) order.clear();
  return order;
}

// The states merged where they are the same, costs rounded to multiples of `delta`; `again`: more may be merged then.
template <class W>
FstBuilder<W> merged(const View<W>& fst, float delta, bool& again, Work& work) {
  const std::size_t n = fst.num_states;
  Array<StateId> number;
  number.resize_for_overwrite(n);
  Register<W> unique;
  Array<Arc<W>> arcs;
  again = false;
  const auto enter = [&](StateId s, const Array<StateId>& next) {
    arcs.clear();
    for (Arc<W> arc : fst.arcs_of(s)) {
      work.step();
      arc.nextstate = next[arc.nextstate];
      arc.weight = rounded(W(arc.weight), delta);
      arcs.push_back(arc);
    }
    return unique.number(rounded(W(fst.states[s].final), delta), arcs);
  };
  FstBuilder<W> result;
  Array<StateId> order = acyclic_order(fst);
  if (order.empty()) {
    StateId blocks = 0;
    for (std::uint64_t seed = 1;; ++seed) {
      const Array<StateId> block = refine(fst, delta, mixed(seed), blocks, work);
      // Exactly: members of a block look the same. Otherwise two hashes were the same by chance.
      unique = Register<W>();
      bool exact = true;
      Array<StateId> of_block(std::size_t(blocks), kNoState);
      for (std::size_t s = 0; s < n && exact; ++s) {
        number[s] = enter(StateId(s), block);
        StateId& own = of_block[block[s]];
        exact = own == kNoState || own == number[s];
        own = number[s];
      }
      if (!exact) continue;
      for (Arc<W>& arc : unique.arcs) arc.nextstate = of_block[arc.nextstate];
      again = unique.states.size() < std::size_t(blocks);  // sets of arcs may be the same where their numbers differ
      break;
    }
    result.start = number[fst.start];
    result.states = std::move(unique.states);  // numbered by the first state of each
    result.arcs = std::move(unique.arcs);
    return result;
  }
  // From the end; then turned round, so that the start comes first, and each state's arcs back again.
  for (std::size_t i = n; i-- > 0;) number[order[i]] = enter(order[i], number);
  const auto last = static_cast<StateId>(unique.states.size() - 1);
  result.start = last - number[fst.start];
  result.states = std::move(unique.states);
  result.arcs = std::move(unique.arcs);
  std::reverse(result.states.begin(), result.states.end());
  std::reverse(result.arcs.begin(), result.arcs.end());
  Arc<W>* own = result.arcs.begin();
  for (const State<W>& state : result.states) {
    std::reverse(own, own + state.arcs);
    own += state.arcs;
  }
  for (Arc<W>& arc : result.arcs) arc.nextstate = last - arc.nextstate;
  return result;
}

template <class W>
FstBuilder<W> all_merged(const View<W>& fst, float delta, Work& work) {
  bool again = false;
  FstBuilder<W> result = merged(fst, delta, again, work);
  while (again) result = merged(result.view(), delta, again, work);
  return result;
}

// Output labels towards the start; they become numbers of lists.
template <class W>
void push_outputs(FstBuilder<W>& builder, Lists& lists, Work& work) {
  const View<W> fst = builder.view();
  const std::vector<Lists::Id> common = common_outputs(fst, lists, work);
  for (StateId s = 0; s < StateId(fst.num_states); ++s) {
    const State<W> state = builder.states[s];
    for (std::uint32_t i = state.begin; i < state.begin + state.arcs; ++i) {
      Arc<W>& arc = builder.arcs[i];
      const Lists::Id whole = lists.prepend(arc.olabel, common[arc.nextstate]);
      arc.olabel = Label(whole == common[s] ? 0 : lists.without_first(whole, lists.length(common[s])));
    }
  }
  const Lists::Id prefix = common[builder.start];
  if (prefix == 0) return;
  const auto returns = [&](const Arc<W>& arc) { return arc.nextstate == fst.start; };
  if (std::any_of(builder.arcs.begin(), builder.arcs.end(), returns)) {  // what all paths begin with comes before it
    const StateId start = builder.open();
    builder.add({0, Label(prefix), W::one(), builder.start});
    builder.start = start;
    return;
  }
  std::vector<Label> labels;
  for (Lists::Id id = prefix; id; id = lists.rest(id)) labels.push_back(lists.label(id));
  const State<W> first = builder.states[builder.start];
  for (std::uint32_t i = first.begin; i < first.begin + first.arcs; ++i) {
    Lists::Id whole = Lists::Id(builder.arcs[i].olabel);
    for (std::size_t k = labels.size(); k-- > 0;) whole = lists.prepend(labels[k], whole);
    builder.arcs[i].olabel = Label(whole);
  }
}

// Numbers of lists become labels; chains of arcs where there are several, which share their ends.
template <class W>
void spell(FstBuilder<W>& builder, const Lists& lists) {
  const std::size_t n = builder.states.size();
  Numbering chain;  // (labels that are left, where they lead)
  const auto next = [&](Lists::Id rest, StateId last) {
    return rest == 0 ? last : StateId(n + chain(std::uint64_t(rest) << 32 | std::uint32_t(last)));
  };
  const auto spelled = [&](Lists::Id id, Arc<W> arc) {
    if (id != 0) {
      arc.olabel = lists.label(id);
      arc.nextstate = next(lists.rest(id), arc.nextstate);
    }
    return arc;
  };
  for (Arc<W>& arc : builder.arcs) arc = spelled(Lists::Id(arc.olabel), arc);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::uint64_t key = chain.key(i);
    builder.open();
    builder.add(spelled(Lists::Id(key >> 32), {0, 0, W::one(), StateId(std::uint32_t(key))}));
  }
}

template <class W>
Fst<W> with_rounded_costs(const View<W>& fst, float delta) {
  FstBuilder<W> result;
  result.start = fst.start;
  result.strings = *fst.strings;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    result.open(rounded(W(fst.states[s].final), delta));
    for (Arc<W> arc : fst.arcs_of(StateId(s))) {
      arc.weight = rounded(W(arc.weight), delta);
      result.add(arc);
    }
  }
  return result.finish();
}

// The labels alone, in another semiring: an automaton without costs.
template <class To, class From>
Fst<To> unweighted(const View<From>& fst) {
  FstBuilder<To> result;
  result.start = fst.start;
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    result.open(is_zero(From(fst.states[s].final)) ? To::zero() : To::one());
    for (const Arc<From>& arc : fst.arcs_of(StateId(s))) result.add({arc.ilabel, arc.olabel, To::one(), arc.nextstate});
  }
  return result.finish();
}

}  // namespace

template <class W>
Fst<W> minimize(const Fst<W>& fst, float delta, bool allow_nondeterministic) {
  using namespace properties;
  const View<W> given = fst.view();
  Work work("minimization", given);
  check_costs(given, work);
  const Bits asked = kAcceptor | kNotAcceptor | kIDeterministic | kNonIDeterministic | kWeighted | kUnweighted;
  const Bits found = find_properties(given, fst.stored_properties(), asked);
  if (!(found & kIDeterministic) && !allow_nondeterministic) {
    work.fail("it is not deterministic: determinize it first, or allow_nondet");
  }
  Fst<W> useful = connect(fst);
  const bool acceptor = found & kAcceptor;
  Bits bits = kNothingKnown | kAccessible | kCoAccessible;
  if (acceptor) bits |= kAcceptor | kILabelSorted | kOLabelSorted;
  if (useful.num_states() == 0) return FstBuilder<W>().finish(bits);
  if (!(found & kUnweighted)) useful = reweight(useful, costs_to_final(useful.view(), "minimization"), false, false);
  if (acceptor) return all_merged(useful.view(), delta, work).finish(bits);
  Lists lists;
  FstBuilder<W> pushed;
  const View<W> view = useful.view();
  pushed.states.assign(view.states, view.states + view.num_states);
  pushed.arcs.reserve(view.num_slots);
  for (std::size_t s = 0; s < view.num_states; ++s) {
    const auto arcs = view.arcs_of(StateId(s));
    pushed.arcs.append(arcs.begin(), arcs.end());
  }
  pushed.start = view.start;
  useful = Fst<W>();
  push_outputs(pushed, lists, work);
  FstBuilder<W> least = all_merged(pushed.view(), delta, work);
  spell(least, lists);
  return least.finish(bits);
}

template <class W>
Fst<W> minimize_encoded(const Fst<W>& fst, float delta) {
  using namespace properties;
  const View<W> given = fst.view();
  Work work("encoded minimization", given);
  check_costs(given, work);
  const Fst<W> useful = connect(fst);
  const Bits bits = kNothingKnown | kAccessible | kCoAccessible | kILabelSorted;
  if (useful.num_states() == 0) return FstBuilder<W>().finish(bits);
  if constexpr (sizeof(W) > sizeof(std::uint64_t)) {  // weights as labels
    EncodeTable<W> table(true, true);
    const Fst<TropicalWeight> coded =
        unweighted<TropicalWeight>(table.encode(with_rounded_costs(useful.view(), delta)).view());
    FstBuilder<TropicalWeight> least = all_merged(coded.view(), delta, work);
    Fst<W> decoded = table.decode(unweighted<W>(least.view()));
    decoded.sort_arcs(false);
    return decoded;
  } else {
    return all_merged(useful.view(), delta, work).finish(bits);
  }
}

template <class W>
Array<StateId> bisimilar_states(const View<W>& fst, float delta, Work& work) {
  const auto arcs_of = [&](std::size_t s, const Array<StateId>& block, std::vector<Arc<W>>& arcs) {
    arcs.clear();
    for (Arc<W> arc : fst.arcs_of(StateId(s))) {
      arc.nextstate = block[arc.nextstate];
      arc.weight = rounded(W(arc.weight), delta);
      arcs.push_back(arc);
    }
    std::ranges::sort(arcs, before<W>);
  };
  std::vector<Arc<W>> one, other;
  for (std::uint64_t seed = 1;; ++seed) {
    StateId blocks = 0;
    Array<StateId> block = refine(fst, delta, mixed(seed), blocks, work);
    // Exactly, as two hashes may have been the same by chance: each state like the first of its block.
    Array<StateId> first(std::size_t(blocks), kNoState), number(std::size_t(blocks), kNoState);
    bool exact = true;
    StateId next = 0;
    for (std::size_t s = 0; s < fst.num_states && exact; ++s) {
      StateId& of_block = first[block[s]];
      if (of_block == kNoState) {
        of_block = StateId(s);
        number[block[s]] = next++;
        continue;
      }
      arcs_of(s, block, one);
      arcs_of(std::size_t(of_block), block, other);
      work.steps(one.size());
      exact = std::ranges::equal(one, other, alike<W>) &&
              bits_of(rounded(W(fst.states[s].final), delta)) == bits_of(rounded(W(fst.states[of_block].final), delta));
    }
    if (!exact) continue;
    for (StateId& b : block) b = number[b];
    return block;
  }
}

#define SONANT_INSTANTIATE(W)                              \
  template Fst<W> minimize(const Fst<W>&, float, bool);    \
  template Fst<W> minimize_encoded(const Fst<W>&, float);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
template Array<StateId> bisimilar_states(const View<TropicalWeight>&, float, Work&);
template Fst<CompactWeight> minimize_encoded(const Fst<CompactWeight>&, float);
template Fst<KwsIndexWeight> minimize_encoded(const Fst<KwsIndexWeight>&, float);

}  // namespace sonant

#include "fst_minimize.h"

#include <algorithm>
#include <cstring>

#include "fst_distance.h"
#include "label_lists.h"
#include "semiring_division.h"

namespace sonant {

namespace {

template <class W>
std::uint64_t bits_of(const W& weight) {
  std::uint64_t bits = 0;
  static_assert(sizeof weight <= sizeof bits);
  std::memcpy(&bits, &weight, sizeof weight);
  return bits;
}

template <class W>
View<W> view_of(Tables<W>& tables, StateId start) {
  std::uint32_t begin = 0;
  for (State<W>& state : tables.states) {
    state.begin = begin;
    begin += state.arcs;
  }
  return {tables.states.data(), tables.arcs.data(), tables.states.size(), tables.arcs.size(), start, nullptr};
}

// A copy of what lies on paths from the start to a final state.
template <class W>
Tables<W> connected(const View<W>& fst, StateId& start) {
  Tables<W> tables;
  start = fst.start;
  if (start == kNoState) return tables;
  std::vector<StateId> number(fst.num_states, kNoState), stack = {start};
  number[start] = 0;
  while (!stack.empty()) {
    const StateId s = stack.back();
    stack.pop_back();
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (number[arc.nextstate] != kNoState) continue;
      number[arc.nextstate] = 0;
      stack.push_back(arc.nextstate);
    }
  }
  StateId count = 0;
  for (StateId& n : number) {
    if (n != kNoState) n = count++;
  }
  tables.states.reserve(count);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    if (number[s] == kNoState) continue;
    tables.states.push_back(fst.states[s]);
    for (Arc<W> arc : fst.arcs_of(StateId(s))) {
      arc.nextstate = number[arc.nextstate];
      tables.arcs.push_back(arc);
    }
  }
  start = number[start];
  drop_dead_ends(tables, start);
  return tables;
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
  StateId number(const W& final, std::vector<Arc<W>>& arcs) {
    if (!std::is_sorted(arcs.begin(), arcs.end(), before<W>)) std::sort(arcs.begin(), arcs.end(), before<W>);
    arcs.erase(std::unique(arcs.begin(), arcs.end(), alike<W>), arcs.end());
    const auto next = static_cast<std::uint32_t>(states.size());
    const std::uint32_t found = index_.find_or_add(hash_of(final, arcs), next, [&](std::uint32_t other) {
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
      this->arcs.insert(this->arcs.end(), arcs.begin(), arcs.end());
      if (index_.full()) {
        index_.grow([&](std::uint32_t other) {
          const State<W>& of = states[other];
          return hash_of(of.final, std::span(this->arcs).subspan(of.begin, of.arcs));
        });
      }
    }
    return StateId(found);
  }
  std::vector<State<W>> states;
  std::vector<Arc<W>> arcs;

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
std::vector<StateId> refine(const View<W>& fst, std::uint64_t seed, StateId& blocks, Work& work) {
  const std::size_t n = fst.num_states;
  const auto label_of = [&](const Arc<W>& arc) {
    return mixed(seed ^ (std::uint64_t(std::uint32_t(arc.ilabel)) << 32 | std::uint32_t(arc.olabel))) +
           bits_of(W(arc.weight)) * 0x9e3779b97f4a7c15ULL;
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
  std::vector<std::uint32_t> begin(n + 2, 0);
  std::vector<std::uint64_t> sum(n, 0);
  for (std::size_t s = 0; s < n; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) ++begin[arc.nextstate + 2];
  }
  for (std::size_t s = 2; s < n + 2; ++s) begin[s] += begin[s - 1];
  std::vector<Incoming> incoming(begin[n + 1]);
  for (std::size_t s = 0; s < n; ++s) {
    sum[s] = mixed(seed + bits_of(W(fst.states[s].final)));
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
  std::vector<Block> block = {{0, std::uint32_t(n), std::uint32_t(n)}};
  std::vector<StateId> members(n), of(n, 0), queue = {0};
  std::vector<std::uint32_t> place(n);
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

// The states of `tables` merged where they are the same; false where none were.
template <class W>
bool merge(Tables<W>& tables, StateId& start, Work& work) {
  const View<W> fst = view_of(tables, start);
  const std::size_t n = fst.num_states;
  if (n == 0) return false;
  std::vector<StateId> number(n, kNoState);
  Register<W> unique;
  std::vector<Arc<W>> arcs;
  bool again = false;
  const auto enter = [&](StateId s, const std::vector<StateId>& next) {
    arcs.clear();
    for (Arc<W> arc : fst.arcs_of(s)) {
      work.step();
      arc.nextstate = next[arc.nextstate];
      arcs.push_back(arc);
    }
    return unique.number(fst.states[s].final, arcs);
  };
  const std::vector<StateId> order = topological_order(fst);
  if (!order.empty()) {
    std::vector<StateId> at(n);
    for (std::size_t s = 0; s < n; ++s) at[order[s]] = StateId(s);
    for (std::size_t i = n; i-- > 0;) number[at[i]] = enter(at[i], number);
  } else {
    StateId blocks = 0;
    for (std::uint64_t seed = 1;; ++seed) {
      const std::vector<StateId> block = refine(fst, mixed(seed), blocks, work);
      // Exactly: members of a block look the same. Otherwise two hashes were the same by chance.
      unique = Register<W>();
      bool exact = true;
      std::vector<StateId> of_block(blocks, kNoState);
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
  }
  // Numbered by the first state of each.
  const std::size_t merged = unique.states.size();
  std::vector<StateId> name(merged, kNoState);
  Tables<W> result;
  for (std::size_t s = 0; s < n; ++s) {
    if (name[number[s]] != kNoState) continue;
    name[number[s]] = StateId(result.states.size());
    result.states.push_back(unique.states[number[s]]);
  }
  result.arcs.reserve(unique.arcs.size());
  for (State<W>& state : result.states) {
    for (std::uint32_t i = state.begin; i < state.begin + state.arcs; ++i) {
      Arc<W> arc = unique.arcs[i];
      arc.nextstate = name[arc.nextstate];
      result.arcs.push_back(arc);
    }
  }
  start = name[number[start]];
  tables = std::move(result);
  return again;
}

template <class W>
void minimize_tables(Tables<W>& tables, StateId& start, float delta, Work& work) {
  // 0 and -0 are the same cost.
  const auto rounded = [&](const W& w) {
    W q = quantize(w, delta);
    float parts[W::floats];
    std::memcpy(parts, &q, sizeof parts);
    for (float& part : parts) part += 0.0f;
    std::memcpy(&q, parts, sizeof parts);
    return q;
  };
  for (State<W>& state : tables.states) state.final = rounded(state.final);
  for (Arc<W>& arc : tables.arcs) arc.weight = rounded(arc.weight);
  while (merge(tables, start, work)) {
  }
}

// Costs towards the start. What all paths cost comes to the arcs of the start, behind a new start where it is on a
// cycle. `strings`, if any, come along as output labels that are numbers of lists.
template <class W>
void push(Tables<W>& tables, StateId& start, bool weights, Lists* lists, Work& work) {
  View<W> fst = view_of(tables, start);
  NoStrings none;
  std::vector<W> potential;
  if (weights) potential = costs_to_final(fst);
  std::vector<Lists::Id> common;
  if (lists) common = common_outputs(fst, *lists, work);
  bool start_on_cycle = false;
  for (StateId s = 0; s < StateId(fst.num_states); ++s) {
    State<W>& state = tables.states[s];
    for (std::uint32_t i = state.begin; i < state.begin + state.arcs; ++i) {
      Arc<W>& arc = tables.arcs[i];
      start_on_cycle |= arc.nextstate == start;
      if (weights) {
        arc.weight = divide(times(W(arc.weight), potential[arc.nextstate], none), potential[s], Side::kLeft, none);
      }
      if (lists) {
        const Lists::Id whole = lists->prepend(arc.olabel, common[arc.nextstate]);
        arc.olabel = Label(whole == common[s] ? 0 : lists->without_first(whole, lists->length(common[s])));
      }
    }
    if (weights && !is_zero(state.final)) state.final = divide(W(state.final), potential[s], Side::kLeft, none);
  }
  const W total = weights ? potential[start] : W::one();
  const Lists::Id prefix = lists ? common[start] : 0;
  if (is_one(total) && prefix == 0) return;
  if (start_on_cycle) {
    State<W> state;
    state.arcs = 1;
    tables.arcs.push_back({0, Label(prefix), total, start});
    start = StateId(tables.states.size());
    tables.states.push_back(state);
    return;
  }
  State<W>& first = tables.states[start];
  for (std::uint32_t i = first.begin; i < first.begin + first.arcs; ++i) {
    Arc<W>& arc = tables.arcs[i];
    arc.weight = times(total, W(arc.weight), none);
    std::vector<Label> labels;
    for (Lists::Id id = prefix; id; id = lists->rest(id)) labels.push_back(lists->label(id));
    Lists::Id whole = Lists::Id(arc.olabel);
    while (!labels.empty()) {
      whole = lists->prepend(labels.back(), whole);
      labels.pop_back();
    }
    arc.olabel = Label(whole);
  }
  if (!is_zero(first.final)) first.final = times(total, W(first.final), none);
}

// Numbers of lists become labels; chains of arcs where there are several, which share their ends.
template <class W>
void spell(Tables<W>& tables, const Lists& lists) {
  const std::size_t n = tables.states.size();
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
  for (Arc<W>& arc : tables.arcs) arc = spelled(Lists::Id(arc.olabel), arc);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::uint64_t key = chain.key(i);
    State<W> state;
    state.arcs = 1;
    tables.states.push_back(state);
    tables.arcs.push_back(spelled(Lists::Id(key >> 32), {0, 0, W::one(), StateId(std::uint32_t(key))}));
  }
}

template <class W>
Fst<W> finished(Tables<W>& tables, StateId start, properties::Bits bits) {
  using namespace properties;
  Fst<W> result;
  result.adopt(std::move(tables.states), std::move(tables.arcs), {}, start,
               kExpanded | kMutable | kAccessible | kCoAccessible | bits);
  return result;
}

template <class W>
Work work_for(const char* operation, const View<W>& fst) {
  Work work(operation, {}, sizeof(State<W>), sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(fst.num_states) + " states";
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    bool costs = is_member(W(fst.states[s].final));
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) costs &= is_member(W(arc.weight));
    if (!costs) fst_error(operation, " of ", work.what, ": a cost of state ", s, " or of its arcs is no number");
  }
  return work;
}

}  // namespace

template <class W>
Fst<W> minimize(const Fst<W>& fst, float delta, bool allow_nondeterministic) {
  using namespace properties;
  const View<W> view = fst.view();
  Work work = work_for("minimization", view);
  const Bits asked = kAcceptor | kNotAcceptor | kIDeterministic | kNonIDeterministic | kWeighted | kUnweighted;
  const Bits found = find_properties(view, fst.stored_properties(), asked);
  if (!(found & kIDeterministic) && !allow_nondeterministic) {
    fst_error("minimization of ", work.what, ": it is not deterministic: determinize it first, or allow_nondet");
  }
  StateId start = kNoState;
  Tables<W> tables = connected(view, start);
  Lists lists;
  const bool transducer = !(found & kAcceptor), weighted = !(found & kUnweighted);
  if (!tables.states.empty()) {
    if (transducer || weighted) push(tables, start, weighted, transducer ? &lists : nullptr, work);
    if (!transducer) {
      for (Arc<W>& arc : tables.arcs) arc.olabel = arc.ilabel;
    }
    minimize_tables(tables, start, delta, work);
    if (transducer) spell(tables, lists);
  }
  return finished(tables, start, transducer ? 0 : kAcceptor | kILabelSorted | kOLabelSorted);
}

template <class W>
Fst<W> minimize_encoded(const Fst<W>& fst, float delta) {
  const View<W> view = fst.view();
  Work work = work_for("encoded minimization", view);
  StateId start = kNoState;
  Tables<W> tables = connected(view, start);
  minimize_tables(tables, start, delta, work);
  return finished(tables, start, properties::kILabelSorted);
}

#define SONANT_INSTANTIATE(W)                              \
  template Fst<W> minimize(const Fst<W>&, float, bool);    \
  template Fst<W> minimize_encoded(const Fst<W>&, float);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)

}  // namespace sonant

#include "fst/ngram.h"

#include <algorithm>
#include <bit>

#include "fst/file_parts.h"

namespace sonant {

// ---- Strings of bits

BitString::BitString(const char* words, std::uint64_t length) : words_(words), length_(length) {
  const std::uint64_t blocks = (length + kBlock - 1) / kBlock;
  before_.reserve(blocks + 1);
  for (std::uint64_t i = 0; i < (length + 63) / 64; ++i) {
    if (i % (kBlock / 64) == 0) before_.push_back(static_cast<std::uint32_t>(ones_));
    std::uint64_t w = word(i);
    if (length - 64 * i < 64) w &= (std::uint64_t(1) << (length - 64 * i)) - 1;
    ones_ += static_cast<std::uint64_t>(std::popcount(w));
  }
  before_.push_back(static_cast<std::uint32_t>(ones_));
}

std::uint64_t BitString::rank(std::uint64_t at) const {
  std::uint64_t count = before_[at / kBlock];
  for (std::uint64_t i = at / kBlock * (kBlock / 64); i < at / 64; ++i) count += std::uint64_t(std::popcount(word(i)));
  if (at % 64) count += std::uint64_t(std::popcount(word(at / 64) & ((std::uint64_t(1) << (at % 64)) - 1)));
  return count;
}

template <bool one>
std::uint64_t BitString::select(std::uint64_t k) const {
  const auto before = [&](std::uint64_t block) {
    return one ? std::uint64_t(before_[block]) : block * kBlock - before_[block];
  };
  std::uint64_t low = 0, high = before_.size() - 1;  // the last block with at most k before it
  while (high - low > 1) {
    const std::uint64_t mid = (low + high) / 2;
    (before(mid) <= k ? low : high) = mid;
  }
  k -= before(low);
  for (std::uint64_t i = low * (kBlock / 64);; ++i) {
    std::uint64_t w = one ? word(i) : ~word(i);
    const auto count = std::uint64_t(std::popcount(w));
    if (k >= count) {
      k -= count;
      continue;
    }
    std::uint64_t at = 64 * i;
    for (unsigned half = 32; half; half /= 2) {
      const std::uint64_t lower = w & ((std::uint64_t(1) << half) - 1);
      const auto in_lower = std::uint64_t(std::popcount(lower));
      if (k < in_lower) {
        w = lower;
      } else {
        k -= in_lower;
        w >>= half;
        at += half;
      }
    }
    return at;
  }
}
template std::uint64_t BitString::select<true>(std::uint64_t) const;
template std::uint64_t BitString::select<false>(std::uint64_t) const;

namespace {

std::uint64_t bytes_of(std::uint64_t bits) { return (bits + 63) / 64 * 8; }

}  // namespace

// ---- Reading

template <class W>
void NgramFst<W>::look(const char* data) {
  data_ = data;
  const char* at = data;
  contexts_ = BitString(at, 2 * n_ + 1);
  at += bytes_of(2 * n_ + 1);
  following_ = BitString(at, futures_ + n_ + 1);
  at += bytes_of(futures_ + n_ + 1);
  is_final_ = BitString(at, n_);
  at += bytes_of(n_);
  context_words_ = at;
  words_ = (at += (n_ + 1) * sizeof(Label));
  backoffs_ = (at += futures_ * sizeof(Label));
  final_costs_ = (at += (n_ + 1) * sizeof(W));
  costs_ = (at += finals_ * sizeof(W));
}

template <class W>
void NgramFst<W>::set_counts() {
  const std::uint64_t n = n_, futures = futures_, finals = finals_;
  counts_[0] = n, counts_[1] = futures, counts_[2] = finals;
  size_ = bytes_of(2 * n + 1) + bytes_of(futures + n + 1) + bytes_of(n) + (n + 1 + futures) * sizeof(Label) +
          (n + 1 + finals + futures + 1) * sizeof(W);
}

template <class W>
std::shared_ptr<const NgramFst<W>> NgramFst<W>::read(Input& in, StateId start, bool map) {
  static_assert(sizeof(W) == sizeof(Label));  // no padding between the tables
  auto fst = std::make_shared<NgramFst>();
  std::uint64_t counts[3];
  in.read(counts, sizeof counts, "the counts of an ngram automaton");
  const auto [n, futures, finals] = counts;
  if (n < 1 || n > kMostStates || futures > kMostArcs - n || finals > n) {
    in.error("an ngram automaton of ", n, " states, ", futures, " arcs and ", finals, " final states");
  }
  if (start < 0 || std::uint64_t(start) >= n) in.error("the start state ", start, " is not one of the ", n, " states");
  fst->start_ = start;
  fst->n_ = n;
  fst->futures_ = futures;
  fst->finals_ = finals;
  fst->set_counts();
  const std::uint64_t size = fst->size_;
  if (const std::int64_t left = in.remaining(); left >= 0 && size > std::uint64_t(left)) {
    in.error("an ngram automaton of ", n, " states and ", futures, " words needs ", size, " bytes, but only ", left,
             " are left: the file is corrupt or cut off");
  }
  const char* data = nullptr;
  if (map && size >= (1 << 16)) data = in.map(size, "the tables of an ngram automaton", fst->mapping_);
  if (!data) {
    constexpr std::uint64_t part = 1 << 20;
    std::vector<char>& owned = fst->owned_;
    if (in.remaining() >= 0) owned.reserve(size);
    while (owned.size() < size) {  // as much at a time as is not much
      const std::size_t done = owned.size(), now = std::min(part, size - done);
      owned.resize(done + now);
      in.read(owned.data() + done, now, "the tables of an ngram automaton");
    }
    data = owned.data();
  }
  fst->look(data);
  const BitString &contexts = fst->contexts_, &following = fst->following_;
  if (!contexts[0] || contexts[1]) in.error("the bits of contexts do not begin with a root");
  if (following[0]) in.error("the bits of words do not begin with 0");
  if (contexts.ones() != n || contexts[contexts.size() - 1]) {
    in.error("the bits of contexts tell of ", contexts.ones(), " states; expected ", n);
  }
  if (following.ones() != futures || following[following.size() - 1]) {
    in.error("the bits of words tell of ", following.ones(), " words; expected ", futures);
  }
  if (fst->is_final_.ones() != finals) {
    in.error(fst->is_final_.ones(), " final states; the file promises ", finals);
  }
  // Nodes are numbered level by level: the first child of each comes behind it. Its number is that of ones so far.
  std::uint64_t node = 0, ones = 1;
  for (std::uint64_t at = 2; at < contexts.size(); ++at) {
    if (contexts[at]) {
      if (++ones > n) break;
    } else if (++node < n && node >= ones) {
      in.error("the bits of contexts are no tree");
    }
  }
  return fst;
}

// ---- Looking

template <class W>
W NgramFst<W>::final(StateId s) const {
  const auto at = static_cast<std::uint64_t>(s);
  return is_final_[at] ? load<W>(final_costs_, is_final_.rank(at)) : W::zero();
}

template <class W>
StateId NgramFst<W>::child(StateId s, Label word) const {
  const auto at = static_cast<std::uint64_t>(s);
  const std::uint64_t begin = contexts_.select_zero(at), end = contexts_.select_zero(at + 1);
  std::uint64_t first = begin - at, count = end - begin - 1;  // ones up to `begin`: the number of the first child
  const std::uint64_t behind = first + count;
  while (count > 0) {
    const std::uint64_t half = count / 2;
    if (load<Label>(context_words_, first + half) < word) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return first < behind && load<Label>(context_words_, first) == word ? static_cast<StateId>(first) : kNoState;
}

template <class W>
void NgramFst<W>::history(StateId s, std::vector<Label>& words) const {
  words.clear();
  for (; s != 0; s = parent(s)) words.push_back(context_word(s));
  std::ranges::reverse(words);
}

template <class W>
StateId NgramFst<W>::next(std::span<const Label> history, Label word) const {
  StateId node = child(0, word), to = 0;
  for (std::size_t i = 0; node != kNoState; ++i) {
    to = node;
    if (i == history.size()) break;
    node = child(node, history[i]);
  }
  return to;
}

template <class W>
void NgramFst<W>::check() const {
  if (checked_) return;
  for (std::uint64_t s = 0, at = 0, bit = 1; s < n_; ++s, ++bit) {
    const W back = backoff(static_cast<StateId>(s));
    if (s && !is_member(back)) fst_error("the backoff of state ", s, " of the ngram automaton costs ", back.value);
    for (Label before = 0; following_[bit]; ++bit, ++at) {
      const Label label = word(at);
      if (label <= before) {
        fst_error("the words of state ", s, " of the ngram automaton are not in order: ", before, ", then ", label,
                  "; the file is corrupt");
      }
      if (!is_member(cost(at))) {
        fst_error("word ", label, " of state ", s, " of the ngram automaton costs ", cost(at).value);
      }
      before = label;
    }
  }
  for (std::uint64_t i = 0; i < finals_; ++i) {
    if (!is_member(load<W>(final_costs_, i))) fst_error("a final cost of the ngram automaton is no number");
  }
  checked_ = true;
}

template <class W>
Fst<W> NgramFst<W>::expand(properties::Bits bits) const {
  Array<State<W>> states(n_);
  Array<Arc<W>> arcs;
  arcs.reserve(futures_ + n_ - 1);
  std::vector<Label> before;
  std::uint64_t at = 0, final_at = 0, bit = 1;
  for (std::uint64_t s = 0; s < n_; ++s, ++bit) {
    const auto state = static_cast<StateId>(s);
    if (is_final_[s]) states[s].final = load<W>(final_costs_, final_at++);
    const std::size_t first = arcs.size();
    if (s != 0) arcs.push_back({0, 0, backoff(state), parent(state)});
    history(state, before);
    for (; following_[bit]; ++bit, ++at) arcs.push_back({word(at), word(at), cost(at), next(before, word(at))});
    states[s].arcs = static_cast<std::uint32_t>(arcs.size() - first);
  }
  Fst<W> fst;
  fst.adopt(std::move(states), std::move(arcs), {}, start_,
            (bits & properties::kCopied) | properties::kExpanded | properties::kMutable);
  return fst;
}

// ---- Making

template <class W>
std::shared_ptr<const NgramFst<W>> NgramFst<W>::of(const Fst<W>& given) {
  const View<W> fst = given.view();
  const std::size_t n = fst.num_states;
  if (fst.start == kNoState) fst_error("an ngram automaton needs a start state");
  const auto no = [](const auto&... why) { fst_error("this is no n-gram automaton with backoff: ", why...); };
  // Each state backs off by its only epsilon; the one that does not is the root.
  std::vector<StateId> back(n, kNoState);
  StateId root = kNoState;
  for (std::size_t s = 0; s < n; ++s) {
    Label before = -1;
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
      if (arc.ilabel != arc.olabel) no("state ", s, " has an arc with the labels ", arc.ilabel, " and ", arc.olabel);
      if (arc.ilabel <= before) no("the arcs of state ", s, " are not sorted, or two have the label ", arc.ilabel);
      before = arc.ilabel;
      if (arc.ilabel == 0) back[s] = arc.nextstate;
    }
    if (back[s] != kNoState) continue;
    if (root != kNoState) no("neither state ", root, " nor state ", s, " has a backoff (an epsilon)");
    root = StateId(s);
  }
  if (root == kNoState) no("every state has a backoff");
  // How many words the context of a state has.
  std::vector<std::int32_t> order(n, -1);
  order[root] = 0;
  std::vector<StateId> chain;
  for (std::size_t s = 0; s < n; ++s) {
    chain.clear();
    for (StateId t = StateId(s); order[t] < 0; t = back[t]) {
      chain.push_back(t);
      if (chain.size() > n) no("the backoffs of state ", s, " have a cycle");
    }
    for (std::size_t i = chain.size(); i-- > 0;) order[chain[i]] = order[back[chain[i]]] + 1;
  }
  // The words of contexts, the last one first, as far as they are known from where an arc comes. Nothing leads to
  // the context of the beginning of a sentence: its word is 0.
  std::vector<std::vector<Label>> context(n);
  std::vector<char> known(n, 0);
  std::vector<StateId> queue{root};
  known[root] = 1;
  const auto follow = [&] {
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const StateId s = queue[i];
      for (const Arc<W>& arc : fst.arcs_of(s)) {
        const StateId to = arc.nextstate;
        if (arc.ilabel == 0 || known[to]) continue;
        const auto words = static_cast<std::size_t>(order[to]);
        if (words > context[s].size() + 1) continue;  // a longer one tells it
        if (words) {
          context[to].assign(1, arc.ilabel);
          context[to].insert(context[to].end(), context[s].begin(), context[s].begin() + std::ptrdiff_t(words - 1));
        }
        known[to] = 1;
        queue.push_back(to);
      }
    }
    queue.clear();
  };
  follow();
  if (!known[fst.start]) {
    if (order[fst.start] != 1) no("nothing leads to the start state, which has ", order[fst.start], " backoffs");
    context[fst.start] = {0};
    known[fst.start] = 1;
    for (std::size_t s = 0; s < n; ++s) {
      if (known[s]) queue.push_back(StateId(s));
    }
    follow();
  }
  for (std::size_t s = 0; s < n; ++s) {
    if (!known[s]) no("no arc tells the context of state ", s);
    if (order[s] == 0) continue;
    const auto& words = context[s];
    const auto& shorter = context[back[s]];
    if (!std::equal(shorter.begin(), shorter.end(), words.begin(), words.end() - 1)) {
      no("state ", s, " backs off to a state that is not its context without the first word");
    }
  }
  // Level by level, siblings by their word.
  std::vector<std::vector<StateId>> children(n);
  for (std::size_t s = 0; s < n; ++s) {
    if (StateId(s) != root) children[back[s]].push_back(StateId(s));
  }
  std::vector<StateId> nodes{root}, number(n, kNoState);
  nodes.reserve(n);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto& below = children[nodes[i]];
    std::ranges::sort(below, {}, [&](StateId s) { return context[s].back(); });
    for (std::size_t k = 1; k < below.size(); ++k) {
      if (context[below[k - 1]].back() == context[below[k]].back()) {
        no("states ", below[k - 1], " and ", below[k], " have the same context");
      }
    }
    nodes.insert(nodes.end(), below.begin(), below.end());
  }
  for (std::size_t i = 0; i < n; ++i) number[nodes[i]] = StateId(i);

  auto made = std::make_shared<NgramFst>();
  made->start_ = number[fst.start];
  made->n_ = n;
  for (std::size_t s = 0; s < n; ++s) made->finals_ += !is_zero(fst.states[s].final);
  made->futures_ = fst.num_arcs() - (n - 1);
  std::vector<std::uint64_t> contexts, following, finals;
  const auto put = [](std::vector<std::uint64_t>& words, std::uint64_t& at, bool one) {
    if (at % 64 == 0) words.push_back(0);
    words.back() |= std::uint64_t(one) << (at++ % 64);
  };
  std::uint64_t c = 0, f = 0, l = 0;
  put(contexts, c, true);
  put(contexts, c, false);
  put(following, f, false);
  std::vector<Label> context_words{-1}, labels;
  std::vector<W> backoffs, final_costs, costs;
  for (const StateId s : nodes) {
    for (std::size_t i = 0; i < children[s].size(); ++i) put(contexts, c, true);
    put(contexts, c, false);
    if (s != root) context_words.push_back(context[s].back());
    backoffs.push_back(W::zero());
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (arc.ilabel == 0) {
        backoffs.back() = arc.weight;
        continue;
      }
      put(following, f, true);
      labels.push_back(arc.ilabel);
      costs.push_back(arc.weight);
    }
    put(following, f, false);
    put(finals, l, !is_zero(fst.states[s].final));
    if (!is_zero(fst.states[s].final)) final_costs.push_back(fst.states[s].final);
  }
  context_words.push_back(0);
  backoffs.push_back(W::one());
  costs.push_back(W::one());
  std::vector<char>& bytes = made->owned_;
  const auto append = [&](const auto& table) {
    const auto* from = reinterpret_cast<const char*>(table.data());
    bytes.insert(bytes.end(), from, from + table.size() * sizeof table[0]);
  };
  append(contexts), append(following), append(finals), append(context_words), append(labels);
  append(backoffs), append(final_costs), append(costs);
  made->set_counts();
  made->look(bytes.data());
  std::vector<Label> before;
  for (const StateId s : nodes) {
    made->history(number[s], before);
    for (const Arc<W>& arc : fst.arcs_of(s)) {
      if (arc.ilabel != 0 && made->next(before, arc.ilabel) != number[arc.nextstate]) {
        no("word ", arc.ilabel, " of state ", s, " does not lead to the longest context there is");
      }
    }
  }
  return made;
}

template class NgramFst<TropicalWeight>;
template class NgramFst<LogWeight>;

}  // namespace sonant

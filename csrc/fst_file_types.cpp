#include "fst_file_types.h"

#include <algorithm>
#include <bit>

#include "fst_file_parts.h"

namespace sonant {

namespace {

using Words = Array<std::uint64_t>;

std::uint64_t words_of(std::uint64_t bits) { return (bits + 63) / 64; }

bool bit(const Words& bits, std::uint64_t at) { return bits[at / 64] >> (at % 64) & 1; }

// How many arcs of each state, or children of each node, a string of bits tells: ones between zeros, from the
// `skip`-th bit on.
std::vector<std::uint32_t> runs(Input& in, const Words& bits, std::uint64_t length, std::uint64_t skip,
                                std::uint64_t count, const char* what) {
  std::vector<std::uint32_t> found;
  found.reserve(count);
  std::uint32_t run = 0;
  for (std::uint64_t at = skip; at < length; ++at) {
    if (bit(bits, at)) {
      ++run;
      continue;
    }
    found.push_back(run);
    run = 0;
  }
  if (found.size() != count || run) in.error("the bits of ", what, " tell of ", found.size(), " states; expected ", count);
  return found;
}

}  // namespace

template <class W>
Fst<W> read_ngram_fst(Input& in, StateId start, properties::Bits bits) {
  const auto n = number<std::uint64_t>(in, "number of states");
  const auto futures = number<std::uint64_t>(in, "number of arcs");
  const auto finals = number<std::uint64_t>(in, "number of final states");
  if (n < 1 || n > kMostStates || futures > kMostArcs - n || finals > n) {
    in.error("an ngram automaton of ", n, " states, ", futures, " arcs and ", finals, " final states");
  }
  check_count(in, std::int64_t(n), kMostStates, 2 * sizeof(Label), "states");
  check_count(in, std::int64_t(futures), kMostArcs, sizeof(Label) + sizeof(W), "arcs");
  const std::uint64_t context_bits = 2 * n + 1, future_bits = futures + n + 1;
  const auto contexts = read_table<std::uint64_t>(in, words_of(context_bits), "the bits of contexts");
  const auto following = read_table<std::uint64_t>(in, words_of(future_bits), "the bits of words");
  const auto is_final = read_table<std::uint64_t>(in, words_of(n), "the bits of final states");
  const auto words = read_table<Label>(in, n + 1, "the words of contexts");
  const auto labels = read_table<Label>(in, futures, "the words");
  // What came before is a multiple of 8 bytes and these labels; costs begin where they may.
  if (const std::size_t over = (n + 1 + futures) * sizeof(Label) % sizeof(W)) in.skip(sizeof(W) - over, "padding");
  const auto backoffs = read_table<W>(in, n + 1, "the costs of backoffs");
  const auto final_costs = read_table<W>(in, finals, "the final costs");
  const auto costs = read_table<W>(in, futures + 1, "the costs of words");

  if (!bit(contexts, 0) || bit(contexts, 1)) in.error("the bits of contexts do not begin with a root");
  if (bit(following, 0)) in.error("the bits of words do not begin with 0");
  const auto children = runs(in, contexts, context_bits, 2, n, "contexts");
  const auto counts = runs(in, following, future_bits, 1, n, "words");

  // Nodes are numbered level by level, so the children of a node are side by side, behind it.
  std::vector<std::uint32_t> first_child(n + 1);
  std::vector<StateId> parent(n, kNoState);
  std::uint64_t next = 1;
  for (std::uint64_t s = 0; s < n; ++s) {
    if (s >= next) in.error("the bits of contexts are no tree");
    first_child[s] = static_cast<std::uint32_t>(next);
    if (children[s] > n - next) in.error("the bits of contexts have more nodes than the ", n, " of the file");
    for (std::uint32_t i = 0; i < children[s]; ++i) parent[next++] = static_cast<StateId>(s);
  }
  first_child[n] = static_cast<std::uint32_t>(next);
  const auto child = [&](StateId node, Label word) -> StateId {
    const Label *begin = words.data() + first_child[node], *end = words.data() + first_child[node + 1];
    const Label* found = std::lower_bound(begin, end, word);
    return found != end && *found == word ? static_cast<StateId>(found - words.data()) : kNoState;
  };

  Array<State<W>> states(n);
  Array<Arc<W>> arcs;
  arcs.reserve(futures + n - 1);
  std::vector<Label> history;  // of a state, the last word first
  std::uint64_t at = 0, final_at = 0;
  for (std::uint64_t s = 0; s < n; ++s) {
    if (bit(is_final, s)) {
      if (final_at == finals) in.error("more final states than the ", finals, " of the file");
      states[s].final = final_costs[final_at++];
    }
    states[s].arcs = counts[s] + (s != 0);
    if (s != 0) arcs.push_back({0, 0, backoffs[s], parent[s]});
    history.clear();
    for (auto node = static_cast<StateId>(s); node != 0; node = parent[node]) history.push_back(words[node]);
    std::ranges::reverse(history);
    for (std::uint32_t i = 0; i < counts[s]; ++i, ++at) {
      StateId to = 0;
      if (StateId node = child(0, labels[at]); node != kNoState) {
        to = node;
        for (const Label word : history) {
          if ((node = child(node, word)) == kNoState) break;
          to = node;
        }
      }
      arcs.push_back({labels[at], labels[at], costs[at], to});
    }
  }
  if (final_at != finals) in.error(final_at, " final states; the file promises ", finals);
  Fst<W> fst;
  fst.adopt(std::move(states), std::move(arcs), {}, start,
            (bits & properties::kCopied) | properties::kExpanded | properties::kMutable);
  return fst;
}

template Fst<TropicalWeight> read_ngram_fst(Input&, StateId, properties::Bits);
template Fst<LogWeight> read_ngram_fst(Input&, StateId, properties::Bits);

namespace {

bool flag(Input& in) {
  const auto value = number<std::uint8_t>(in, "a flag of the add-on");
  if (value > 1) in.error("a flag of ", int(value), " in the add-on; expected 0 or 1");
  return value;
}

void skip_table(Input& in, std::int64_t size, const char* what) {
  const auto count = number<std::int64_t>(in, what);
  check_count(in, count, kMostArcs, size, what);
  in.skip(count * size, what);
}

// Which labels can be reached: of each state a set of intervals.
void skip_reachable(Input& in) {
  flag(in);  // of the input side
  if (flag(in)) skip_table(in, 8, "the new labels of the add-on");
  number<std::int32_t>(in, "the final label of the add-on");
  const auto count = number<std::int64_t>(in, "the sets of the add-on");
  check_count(in, count, kMostStates, 12, "sets of the add-on");
  for (std::int64_t i = 0; i < count; ++i) {
    skip_table(in, 8, "the intervals of the add-on");
    number<std::int32_t>(in, "a set of the add-on");
  }
}

}  // namespace

void skip_addon(Input& in) {
  if (!flag(in)) return;
  for (int side = 0; side < 2; ++side) {
    if (flag(in)) skip_reachable(in);
  }
}

}  // namespace sonant

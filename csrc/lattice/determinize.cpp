// Determinization of lattices with pruning (Povey, Hannemann et al., "Generating exact lattices in the WFST framework",
// ICASSP 2012, and Kaldi's DeterminizeLatticePruned).
//
// A state of the result is a set of elements (state, cost, string) of the input. An arc with a word leads to the
// states that its elements have arcs with the word to; what their costs and strings begin with in common goes on the
// arc, of two ways to a state the better one stays, and epsilons are followed at once. Sets without the states that
// have nothing but epsilons to go on with are what is compared (`minimal`); the sets before epsilons are followed are
// remembered, too (`initial`). Arcs wait in a queue, those with the best path through them first, so that whatever
// stops the work the best part of the lattice is there.
#include <algorithm>
#include <cmath>

#include "fst/builder.h"
#include "fst/convert.h"
#include "fst/distance.h"
#include "fst/structure.h"
#include "lattice/lattice.h"
#include "lattice/prefix_tree.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

using W = LatticeWeight;
constexpr const char* kName = "lattice determinization";

class PrunedDeterminization {
 public:
  // Words are input labels, arcs sorted by them, states topologically.
  PrunedDeterminization(const View<W>& lattice, const LatticeDeterminizeOptions& options, double beam)
      : lattice_(lattice), options_(options), work_(kName, lattice), place_(lattice.num_states, kNowhere) {
    goes_on_.resize(lattice.num_states, 0);
    to_go_.resize(lattice.num_states);
    for (StateId s = StateId(lattice.num_states) - 1; s >= 0; --s) {
      double best = cost_of(W(lattice.states[s].final));
      bool goes_on = !is_zero(W(lattice.states[s].final));
      for (const Arc<W>& arc : lattice.arcs_of(s)) {
        best = std::min(best, cost_of(W(arc.weight)) + to_go_[arc.nextstate]);
        goes_on |= arc.ilabel != 0 && !is_zero(W(arc.weight));
      }
      to_go_[s] = best;
      goes_on_[s] = goes_on;
    }
    work_.steps(lattice.num_states);
    limit_ = lattice.start == kNoState ? 0 : to_go_[lattice.start] + beam;
  }

  // The beam that was reached, infinite where no limit stopped it.
  double run() {
    const double whole = std::numeric_limits<double>::infinity();
    if (lattice_.start == kNoState || std::isinf(to_go_[lattice_.start])) return whole;
    closed_ = {{lattice_.start, 0, W::one()}};
    close();
    keep_minimal();
    open(closed_, 0);
    const std::uint64_t most_bytes = half_of_memory();
    while (!queue_.empty()) {
      const std::size_t states = opened_.size();
      // Whatever the options: elements, strings with their table, tasks.
      if (sizeof(Element) * elements_.size() + 24 * strings_.size() + sizeof(Task) * queue_.size() > most_bytes) {
        work_.fail("its subsets need more than half of the memory of this machine (so far ", states, " states, ",
                   arcs_.size(), " arcs). Bound it by max_memory, or take a smaller beam");
      }
      if ((options_.max_states > 0 && states > std::uint64_t(options_.max_states)) ||
          (options_.max_arcs > 0 && arcs_.size() > std::uint64_t(options_.max_arcs)) ||
          (states % 10 == 0 && !enough_memory())) {
        return queue_[0].best - to_go_[lattice_.start];
      }
      std::ranges::pop_heap(queue_, later);
      const Task task = queue_.back();
      queue_.pop_back();
      process(task);
    }
    return whole;
  }

  CompactLattice compact() const {
    FstBuilder<CompactWeight> made;
    const std::vector<std::uint32_t> by_state = arcs_by_state();
    std::vector<Label> string;
    for (std::size_t s = 0, i = 0; s < opened_.size(); ++s) {
      made.open();
      for (; i < by_state.size() && arcs_[by_state[i]].state == s; ++i) {
        const Made& arc = arcs_[by_state[i]];
        strings_.copy_to(arc.string, string);
        check_symbols(made.strings.symbols.size() + string.size());
        const CompactWeight weight = made.strings.add(arc.weight, string);
        if (arc.next == kNoState) made.states.back().final = weight;
        else made.add({arc.word, arc.word, weight, arc.next});
      }
    }
    if (!opened_.empty()) made.start = 0;
    return made.finish(kNothingKnown | properties::kAcceptor | properties::kIDeterministic);
  }

  Lattice chains() const {
    Lattice made;
    made.add_states(opened_.size());
    std::vector<Label> string;
    for (const std::uint32_t i : arcs_by_state()) {
      const Made& arc = arcs_[i];
      strings_.copy_to(arc.string, string);
      StateId from = StateId(arc.state);
      Label word = arc.word;
      W weight = arc.weight;
      // The last label's arc leads to where the arc leads, if it leads to a state.
      const std::size_t states = string.size() - (arc.next != kNoState && !string.empty() ? 1 : 0);
      for (std::size_t at = 0; at < states; ++at) {
        const StateId next = made.add_state();
        made.add_arc(from, {word, string[at], weight, next});
        from = next;
        word = 0;
        weight = W::one();
      }
      if (arc.next == kNoState) made.set_final(from, weight);
      else made.add_arc(from, {word, string.empty() ? 0 : string.back(), weight, arc.next});
    }
    if (!opened_.empty()) made.set_start(0);
    return made.packed();
  }

 private:
  using StringId = PrefixTree::Id;
  struct Element {
    StateId state;
    StringId string;
    W weight;
  };
  struct Waiting {  // an element of a closure whose string is not made yet: that of `from`, then the label
    Element element;
    std::uint32_t from;
    Label label;
  };
  struct Transition {
    Label word;
    Element element;
    Label label;
  };
  struct Task {
    double best;  // cost of the best path through it
    std::uint32_t state;
    Label word;
    std::uint32_t begin, count;  // of its elements
  };
  struct Opened {
    std::uint32_t begin, count;
    double cost;  // of the best way there
  };
  struct Initial {
    std::uint32_t begin, count;
    Element to;  // state of the result, string and cost on the way there
  };
  struct Made {
    std::uint32_t state;
    Label word;
    StringId string;
    StateId next;  // none: a final weight
    W weight;
  };
  static constexpr std::uint32_t kNowhere = 0xffffffff;
  static bool later(const Task& a, const Task& b) { return a.best > b.best; }

  static W times(W a, W b) { return sonant::times(a, b); }
  int compare(W a, StringId s, W b, StringId t) const {
    if (const int costs = sonant::compare(a, b)) return costs;
    return strings_.compare(s, t);
  }

  // ---- Epsilons

  // Adds what epsilons lead to, sorted by state. Arcs lead to higher states, so that the lowest that waits is done.
  void close() {
    bool any = false;
    for (const Element& e : closed_) {
      const auto arcs = lattice_.arcs_of(e.state);
      any |= !arcs.empty() && arcs[0].ilabel == 0;
    }
    if (!any) return;
    waiting_.clear();
    heap_.clear();
    for (const Element& e : closed_) {
      place_[e.state] = std::uint32_t(waiting_.size());
      waiting_.push_back({e, kNowhere, 0});
      heap_.push_back(e.state);
    }
    std::ranges::make_heap(heap_, std::greater<>());
    std::int64_t steps = 0;
    while (!heap_.empty()) {
      std::ranges::pop_heap(heap_, std::greater<>());
      const StateId s = heap_.back();
      heap_.pop_back();
      const std::uint32_t i = place_[s];
      if (options_.max_loop > 0 && steps++ > options_.max_loop) {
        work_.fail("more than max_loop=", options_.max_loop, " steps along epsilons from one subset. Raise it, or prune "
                   "first");
      }
      for (const Arc<W>& arc : lattice_.arcs_of(s)) {
        if (arc.ilabel != 0) break;
        if (is_zero(W(arc.weight))) continue;
        work_.step();
        const W weight = times(waiting_[i].element.weight, arc.weight);
        std::uint32_t& place = place_[arc.nextstate];
        if (place == kNowhere) {
          place = std::uint32_t(waiting_.size());
          waiting_.push_back({{arc.nextstate, 0, weight}, i, arc.olabel});
          heap_.push_back(arc.nextstate);
          std::ranges::push_heap(heap_, std::greater<>());
          continue;
        }
        Waiting& to = waiting_[place];
        int better = sonant::compare(weight, to.element.weight);
        if (better == 0) better = strings_.compare(strings_.append(string_of(i), arc.olabel), string_of(place));
        if (better > 0) to = {{arc.nextstate, 0, weight}, i, arc.olabel};
      }
    }
    for (const Waiting& w : waiting_) place_[w.element.state] = kNowhere;
    closed_.clear();
    for (std::uint32_t i = 0; i < waiting_.size(); ++i) {
      if (!goes_on_[waiting_[i].element.state]) continue;
      string_of(i);
      closed_.push_back(waiting_[i].element);
    }
    std::ranges::sort(closed_, {}, &Element::state);
  }

  // Strings are made for elements that stay, and once for what their ways have in common.
  StringId string_of(std::uint32_t i) {
    const std::uint32_t last = i;
    way_.clear();
    for (; waiting_[i].from != kNowhere; i = waiting_[i].from) way_.push_back(i);
    StringId string = waiting_[i].element.string;
    for (std::size_t at = way_.size(); at-- > 0;) {
      Waiting& w = waiting_[way_[at]];
      string = w.element.string = strings_.append(string, w.label);
      w.from = kNowhere;
    }
    return waiting_[last].element.string;
  }

  void keep_minimal() {
    std::erase_if(closed_, [&](const Element& e) { return !goes_on_[e.state]; });
  }

  // ---- Subsets

  // Takes what costs and strings have in common away.
  Element normalize(std::span<Element> subset) {
    W total = subset[0].weight;
    StringId prefix = subset[0].string;
    for (const Element& e : subset.subspan(1)) {
      total = plus(total, e.weight, none_);
      prefix = strings_.common(prefix, e.string);
    }
    for (Element& e : subset) {
      e.weight = divide(e.weight, total, Side::kLeft, none_);
      e.string = strings_.without(prefix, e.string);
    }
    return {kNoState, prefix, total};
  }
  static std::uint64_t hash_of(std::span<const Element> subset) {
    std::uint64_t hash = subset.size();
    for (const Element& e : subset) hash = mixed(hash + (std::uint64_t(e.string) << 32 | std::uint32_t(e.state)));
    return hash;
  }
  bool same(std::span<const Element> a, std::span<const Element> b) const {
    return std::ranges::equal(a, b, [&](const Element& x, const Element& y) {
      return x.state == y.state && x.string == y.string && near(x.weight, y.weight, options_.delta);
    });
  }
  template <class Range>
  std::span<Element> elements_of(const Range& range) {
    return {elements_.data() + range.begin, range.count};
  }

  void process(const Task& task) {
    const std::span<Element> subset = elements_of(task);
    Element common = normalize(subset);
    const double cost = opened_[task.state].cost + cost_of(common.weight);
    const Element to = state_of(task, cost);
    common.string = strings_.joined(common.string, to.string);
    arcs_.push_back({task.state, task.word, common.string, to.state, times(common.weight, to.weight)});
  }

  // The state that the task's subset leads to, and what is left to go on the arc.
  Element state_of(const Task& task, double cost) {
    const std::span<Element> subset = elements_of(task);
    const auto next = std::uint32_t(initial_.size());
    const std::uint32_t found = initial_index_.find_or_add(
        hash_of(subset), next, [&](std::uint32_t other) { return same(elements_of(initial_[other]), subset); });
    if (found != next) return initial_[found].to;
    initial_.push_back({task.begin, task.count, {}});
    counted_elements_ += task.count;
    if (initial_index_.full()) {
      initial_index_.grow([&](std::uint32_t other) { return hash_of(elements_of(initial_[other])); });
    }
    closed_.assign(subset.begin(), subset.end());
    close();
    keep_minimal();
    if (closed_.empty()) return initial_[next].to = {open(closed_, cost), 0, W::one()};
    Element common = normalize(closed_);
    common.state = open(closed_, cost + cost_of(common.weight));
    return initial_[next].to = common;
  }

  StateId open(std::span<const Element> subset, double cost) {
    const auto next = std::uint32_t(opened_.size());
    const std::uint32_t found = minimal_index_.find_or_add(
        hash_of(subset), next, [&](std::uint32_t other) { return same(elements_of(opened_[other]), subset); });
    if (found != next) return StateId(found);
    opened_.push_back({count_of_elements(), std::uint32_t(subset.size()), cost});
    elements_.append(subset.begin(), subset.end());
    counted_elements_ += subset.size();
    if (minimal_index_.full()) {
      minimal_index_.grow([&](std::uint32_t other) { return hash_of(elements_of(opened_[other])); });
    }
    work_.made(opened_.size(), arcs_.size());
    end_at(next);
    go_on_from(next);
    return StateId(next);
  }
  std::uint32_t count_of_elements() const {
    if (elements_.size() > 0xf0000000) work_.fail("its subsets are too large; prune first");
    return std::uint32_t(elements_.size());
  }

  void end_at(std::uint32_t q) {
    W best = W::zero();
    StringId string = 0;
    bool final = false;
    for (const Element& e : elements_of(opened_[q])) {
      const W own = lattice_.states[e.state].final;
      if (is_zero(own)) continue;
      const W weight = times(e.weight, own);
      if (final && compare(weight, e.string, best, string) <= 0) continue;
      final = true;
      best = weight;
      string = e.string;
    }
    if (final && cost_of(best) + opened_[q].cost <= limit_) arcs_.push_back({q, 0, string, kNoState, best});
  }

  void go_on_from(std::uint32_t q) {
    transitions_.clear();
    for (const Element& e : elements_of(opened_[q])) {
      for (const Arc<W>& arc : lattice_.arcs_of(e.state)) {
        if (arc.ilabel == 0 || is_zero(W(arc.weight))) continue;
        work_.step();
        transitions_.push_back({arc.ilabel, {arc.nextstate, e.string, times(e.weight, arc.weight)}, arc.olabel});
      }
    }
    std::ranges::sort(transitions_, [](const Transition& a, const Transition& b) {
      return a.word != b.word ? a.word < b.word : a.element.state < b.element.state;
    });
    for (std::size_t i = 0; i < transitions_.size();) {
      const std::size_t begin = i;
      const Label word = transitions_[i].word;
      double best = std::numeric_limits<double>::infinity();
      for (; i < transitions_.size() && transitions_[i].word == word; ++i) {
        const Element& e = transitions_[i].element;
        best = std::min(best, cost_of(e.weight) + to_go_[e.state]);
      }
      best += opened_[q].cost;
      if (!(best <= limit_)) continue;
      const std::uint32_t first = count_of_elements();
      for (std::size_t at = begin; at < i; ++at) {
        Element e = transitions_[at].element;
        e.string = strings_.append(e.string, transitions_[at].label);
        if (elements_.size() > first && elements_.back().state == e.state) {
          Element& kept = elements_.back();
          if (compare(e.weight, e.string, kept.weight, kept.string) > 0) kept = e;
        } else {
          elements_.push_back(e);
        }
      }
      queue_.push_back({best, q, word, first, std::uint32_t(elements_.size() - first)});
      std::ranges::push_heap(queue_, later);
    }
  }

  // ---- Limits: bytes as Kaldi counts them, of strings, arcs, and the subsets of states

  bool enough_memory() {
    if (options_.max_memory <= 0) return true;
    const auto bytes = [&] {
      return 32 * std::uint64_t(strings_.size()) + 32 * std::uint64_t(arcs_.size()) + 24 * counted_elements_;
    };
    if (bytes() <= std::uint64_t(options_.max_memory)) return true;
    strings_.collect([&](auto visit) {
      for (Element& e : elements_) visit(e.string);
      for (Made& arc : arcs_) visit(arc.string);
      for (Initial& i : initial_) visit(i.to.string);
    });
    const auto rehash = [&](HashIndex& index, const auto& sets) {
      index = HashIndex();
      for (std::uint32_t i = 0; i < sets.size(); ++i) {
        index.find_or_add(hash_of(elements_of(sets[i])), i, [](std::uint32_t) { return false; });
        if (index.full()) index.grow([&](std::uint32_t other) { return hash_of(elements_of(sets[other])); });
      }
    };
    rehash(initial_index_, initial_);
    rehash(minimal_index_, opened_);
    return bytes() <= std::uint64_t(0.8 * double(options_.max_memory));
  }

  std::vector<std::uint32_t> arcs_by_state() const {
    std::vector<std::uint32_t> begin(opened_.size() + 1, 0), order(arcs_.size());
    for (const Made& arc : arcs_) ++begin[arc.state + 1];
    for (std::size_t s = 0; s < opened_.size(); ++s) begin[s + 1] += begin[s];
    for (std::uint32_t i = 0; i < arcs_.size(); ++i) order[begin[arcs_[i].state]++] = i;
    return order;
  }
  void check_symbols(std::size_t count) const {
    if (count > kMostSymbols) work_.fail("the result's strings are too long; prune first");
  }

  const View<W> lattice_;
  const LatticeDeterminizeOptions options_;
  Work work_;
  std::vector<std::uint32_t> place_;  // of a state in waiting_
  std::vector<char> goes_on_;         // whether it is final or has arcs with words
  std::vector<double> to_go_;
  double limit_ = 0;
  PrefixTree strings_;
  Array<Element> elements_;
  std::uint64_t counted_elements_ = 0;
  std::vector<Element> closed_;
  std::vector<Waiting> waiting_;
  std::vector<StateId> heap_;
  std::vector<std::uint32_t> way_;
  std::vector<Transition> transitions_;
  std::vector<Task> queue_;
  Array<Opened> opened_;
  Array<Initial> initial_;
  Array<Made> arcs_;
  HashIndex initial_index_, minimal_index_;
  NoStrings none_;
};

void check(const View<W>& lattice, const LatticeDeterminizeOptions& options) {
  const Work work(kName, lattice);
  if (!(options.beam > 0)) work.fail("a beam of ", options.beam, "; expected a positive number");
  if (!(options.retry_cutoff >= 0 && options.retry_cutoff < 1)) {
    work.fail("retry_cutoff=", options.retry_cutoff, "; expected a number from 0 on and below 1");
  }
  check_costs(lattice, work);
  for (std::size_t s = 0; s < lattice.num_states; ++s) {
    for (const Arc<W>& arc : lattice.arcs_of(StateId(s))) {
      if (arc.ilabel < 0 || arc.olabel < 0) work.fail("an arc of state ", s, " has a negative label; relabel it");
    }
  }
}

template <class Result>
auto determinize_with(Lattice lattice, const LatticeDeterminizeOptions& options, bool& complete, Result result) {
  constexpr int kMostTries = 10;
  double beam = options.beam;
  for (int tries = 1;; ++tries) {
    PrunedDeterminization run(lattice.view(), options, beam);
    const double reached = run.run();
    complete = std::isinf(reached) && tries == 1;
    if (std::isinf(reached) || std::isinf(beam) || reached >= beam * options.retry_cutoff || tries == kMostTries) {
      return result(run);
    }
    beam = std::max(0.5 * beam, beam * std::sqrt(std::max(reached, 0.0) / beam));
    lattice = prune(lattice, beam, -1);
  }
}

// Words as input labels, states and arcs sorted.
Lattice ready(const Lattice& lattice) {
  Lattice made = sorted(invert(lattice), kName);
  made.sort_arcs(false);
  return made.packed();
}

}  // namespace

CompactLattice determinize_pruned(const Lattice& lattice, const LatticeDeterminizeOptions& options, bool& complete) {
  check(lattice.view(), options);
  return determinize_with(ready(lattice), options, complete, [](const auto& run) { return run.compact(); });
}

Lattice determinize_pruned_chains(const Lattice& lattice, const LatticeDeterminizeOptions& options, bool& complete) {
  check(lattice.view(), options);
  return determinize_with(ready(lattice), options, complete, [](const auto& run) { return run.chains(); });
}

namespace {

// Phones among the words: on the arc where it has none, or else on one behind it. Returns the first label of phones.
Label insert_phones(Lattice& lattice, std::span<const std::int32_t> phones) {
  Label highest = 0;
  for (StateId s = 0; s < StateId(lattice.num_states()); ++s) {
    for (const Arc<W>& arc : lattice.arcs_of(s)) highest = std::max<Label>(highest, arc.ilabel);
  }
  const std::int64_t most = phones.empty() ? 0 : *std::ranges::max_element(phones);
  if (highest + most + 1 > 0x7fffffff) fst_error(kName, ": words up to ", highest, " leave no labels for phones");
  const Label first = highest + 1;
  const auto states = StateId(lattice.num_states());
  for (StateId s = 0; s < states; ++s) {
    if (s == lattice.start()) continue;
    for (std::size_t i = 0; i < lattice.state(s).arcs; ++i) {
      Arc<W> arc = lattice.arcs_of(s)[i];
      if (arc.olabel == 0 || phones[std::size_t(arc.olabel)] == 0) continue;
      const Label phone = first + phones[std::size_t(arc.olabel)];
      if (arc.ilabel == 0) {
        arc.ilabel = phone;
      } else {
        const StateId between = lattice.add_state(), next = arc.nextstate;
        arc.nextstate = between;
        lattice.add_arc(between, {phone, 0, W::one(), next});
      }
      lattice.set_arc(s, i, arc);
    }
  }
  return first;
}

void delete_phones(Lattice& lattice, Label first) {
  for (StateId s = 0; s < StateId(lattice.num_states()); ++s) {
    for (std::size_t i = 0; i < lattice.state(s).arcs; ++i) {
      Arc<W> arc = lattice.arcs_of(s)[i];
      if (arc.ilabel < first) continue;
      arc.ilabel = 0;
      lattice.set_arc(s, i, arc);
    }
  }
}

}  // namespace

CompactLattice determinize_phone_pruned(const Lattice& lattice, std::span<const std::int32_t> phones,
                                        const PhoneDeterminizeOptions& options, bool& complete) {
  const View<W> given = lattice.view();
  check(given, options.pruned);
  complete = true;
  if (options.phones) {
    for (std::size_t s = 0; s < given.num_states; ++s) {
      for (const Arc<W>& arc : given.arcs_of(StateId(s))) {
        if (std::size_t(arc.ilabel) < phones.size()) continue;
        fst_error(kName, ": an arc of state ", s, " has the transition-id ", Label(arc.ilabel), "; the model has ",
                  phones.empty() ? 0 : phones.size() - 1, ". Take the model that the lattice was made with");
      }
    }
  }
  Lattice words = ready(lattice);
  if (options.phones) {
    const Label first = insert_phones(words, phones);
    words = sorted(words, kName);
    words.sort_arcs(false);
    bool whole = true;
    words = determinize_with(words.packed(), options.pruned, whole, [](const auto& run) { return run.chains(); });
    complete &= whole;
    delete_phones(words, first);
    words = sorted(words, kName);
    words.sort_arcs(false);
    words = words.packed();
  }
  CompactLattice made;
  if (options.words) {
    bool whole = true;
    made = determinize_with(words, options.pruned, whole, [](const auto& run) { return run.compact(); });
    complete &= whole;
    if (options.minimize) made = minimize_lattice(push_lattice_weights(push_strings(made)), kDelta);
  } else {
    made = to_compact(words.view(), false);
  }
  return connect(made);
}

}  // namespace sonant

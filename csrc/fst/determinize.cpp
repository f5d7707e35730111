#include "fst/determinize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "fst/label_strings.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

template <class W, bool star>
class Determinization {
  static constexpr const char* kName = star ? "determinize_star" : "determinization";
  static constexpr std::size_t kMostOnArc = star ? ~std::size_t(0) : 1;

 public:
  // Of an acceptor only one label counts; the other comes back as each arc is made.
  Determinization(const View<W>& fst, const DeterminizeOptions& options, bool acceptor)
      : fst_(fst), options_(options), acceptor_(acceptor),
        most_states_(options.allow_partial ? 0 : bounds(fst, options).max_states),
        work_(kName, bounds(fst, options), 64, sizeof(Arc<W>)),
        longest_(std::uint64_t(fst.num_states) * fst.num_states + 1), single_(fst.num_states, kNoState) {
    work_.what = "an automaton of " + std::to_string(fst.num_states) + " states";
    if (star) place_.assign(fst.num_states, kNowhere);
  }

  // Takes the automaton away when it is done with it.
  Fst<W> run(bool& partial, Fst<W>& given) {
    partial = false;
    if (fst_.start != kNoState) {
      subset_ = {{fst_.start, kEmptyString, W::one()}};
      number_subset();
    }
    const std::uint64_t most_bytes = half_of_memory();
    for (StateId q = 0; q < StateId(subsets_.size()); ++q) {
      if (options_.allow_partial && options_.bounds.max_states && out_.states.size() >= options_.bounds.max_states) {
        partial = true;
        break;
      }
      expand(q);
      const std::size_t states = subsets_.size() + chain_.size();
      if (most_states_ && states > most_states_) too_many(q, states);
      if (!options_.allow_partial) work_.made(states, out_.arcs.size());
      if (elements_.size() * sizeof(Element) + strings_.bytes() > most_bytes) {
        work_.fail("its subsets need more than half of the memory of this machine; input ",
                  input_to(q), " leads to a subset of ", std::max(subsets_[q].size, 1u),
                  " states. Add disambiguation symbols, or prune first");
      }
    }
    return finish(partial, given);
  }

 private:
  struct Subset {
    std::uint32_t begin, size;  // of its elements; 0: `begin` is the only state, which is owed nothing
  };
  struct Element {
    StateId state;
    StringId string;
    W weight;
  };
  struct Transition {
    std::uint64_t key;  // label and next state
    StringId string;
    W weight;
  };
  struct ChainState {  // a state with one output label, or a final one
    Label ilabel, olabel;
    StateId next;  // chain states are -2, -3, ...
    W final;
  };
  static constexpr std::uint32_t kNowhere = 0xffffffff;

  static Bounds bounds(const View<W>& fst, const DeterminizeOptions& options) {
    Bounds bounds = options.bounds;
    if (bounds.max_states == 0 && !options.allow_partial) {
      bounds.max_states = std::max<std::uint64_t>(1000000, 50 * (std::uint64_t(fst.num_states) + fst.num_arcs()));
    }
    return bounds;
  }

  // ---- Numbers of subsets: those of one state that is owed nothing by the state, the others by hash.

  // Subsets that are the same up to `delta` have sums of costs in the same interval of a line, or in two next to each
  // other.
  struct Interval {
    double index;
    double beside;  // where a subset that is taken for the same may be, too
  };
  Interval interval_of(std::span<const Element> subset) const {
    double sum = 0;
    for (const Element& e : subset) sum += measure_of(e.weight);
    const double leeway = 1.01 * options_.delta * static_cast<double>(subset.size()), width = 64 * leeway;
    const double at = std::isfinite(sum) ? sum / width : 0, index = std::floor(at);
    const double beside = at - index < leeway / width ? index - 1 : index + 1 - at < leeway / width ? index + 1 : index;
    return {index, beside};
  }
  static double measure_of(const W& w) {
    if constexpr (W::floats == 1) return w.value;
    else if constexpr (std::is_same_v<W, KwsIndexWeight>) return double(w.cost) + w.begin + w.end;
    else return double(w.graph) + w.acoustic;
  }
  std::uint64_t hash_of(std::span<const Element> subset) const { return hash_of(subset, interval_of(subset).index); }
  static std::uint64_t hash_of(std::span<const Element> subset, double interval) {
    std::uint64_t hash = subset.size() + std::bit_cast<std::uint64_t>(interval + 0.0) * 0x9e3779b97f4a7c15ULL;
    for (const Element& e : subset) hash = mixed(hash + (std::uint64_t(e.string) << 32 | std::uint32_t(e.state)));
    return hash;
  }
  std::span<const Element> subset_of(StateId q) const {
    return {elements_.data() + subsets_[q].begin, subsets_[q].size};
  }
  StateId number_subset() {
    const auto next = static_cast<std::uint32_t>(subsets_.size());
    const bool single = subset_.size() == 1 && subset_[0].string == kEmptyString && is_one(subset_[0].weight);
    if (single) {
      StateId& number = single_[subset_[0].state];
      if (number != kNoState) return number;
      subsets_.push_back({std::uint32_t(subset_[0].state), 0});
      return number = StateId(next);
    }
    const auto same = [&](std::uint32_t other) {
      return std::ranges::equal(subset_of(StateId(other)), subset_, [&](const Element& a, const Element& b) {
        return a.state == b.state && a.string == b.string && near(a.weight, {}, b.weight, {}, options_.delta);
      });
    };
    const Interval interval = interval_of(subset_);
    std::uint32_t found = HashIndex::kNone;
    if (interval.beside != interval.index) found = index_.find(hash_of(subset_, interval.beside), same);
    if (found == HashIndex::kNone) found = index_.find_or_add(hash_of(subset_, interval.index), next, same);
    if (found == next) {
      if (elements_.size() + subset_.size() > kMostArcs) work_.fail("its subsets have more than ", kMostArcs, " states in all");
      subsets_.push_back({std::uint32_t(elements_.size()), std::uint32_t(subset_.size())});
      elements_.append(subset_.begin(), subset_.end());
      if (index_.full()) index_.grow([&](std::uint32_t other) { return hash_of(subset_of(StateId(other))); });
    }
    return StateId(found);
  }

  // ---- One state of the result

  void expand(StateId q) {
    if (const auto [begin, size] = subsets_[q]; size == 0) {
      closed_.assign(1, {StateId(begin), kEmptyString, W::one()});
    } else {
      closed_.assign(elements_.begin() + begin, elements_.begin() + begin + size);
    }
    if constexpr (star) close(q);
    finish_final(q);
    transitions_.clear();
    std::uint64_t last = 0;
    bool sorted = true;
    for (const Element& e : closed_) {
      const State<W>& state = fst_.states[e.state];
      if (star && state.arcs == state.iepsilons) continue;
      const bool plain = is_one(e.weight);
      for (const Arc<W>& arc : fst_.arcs_of(e.state)) {
        if (star && arc.ilabel == 0) continue;
        if (is_zero(W(arc.weight))) continue;
        work_.step();
        const std::uint64_t key = std::uint64_t(std::uint32_t(arc.ilabel)) << 32 | std::uint32_t(arc.nextstate);
        sorted &= key >= last;
        last = key;
        transitions_.push_back({key, acceptor_ ? kEmptyString : strings_.append(e.string, arc.olabel),
                                plain ? W(arc.weight) : times(e.weight, W(arc.weight), none_)});
      }
    }
    if (!sorted) {
      std::ranges::sort(transitions_, [](const Transition& a, const Transition& b) { return a.key < b.key; });
    }
    for (std::size_t i = 0; i < transitions_.size();) {
      const auto label = static_cast<Label>(transitions_[i].key >> 32);
      const std::size_t begin = i;
      while (i < transitions_.size() && Label(transitions_[i].key >> 32) == label) ++i;
      add_arc(q, label, std::span(transitions_).subspan(begin, i - begin));
    }
  }

  // Follows input epsilons, adding up what comes by different ones (Mohri 2002, first in first out).
  void close(StateId q) {
    bool any = false;
    for (const Element& e : closed_) any |= fst_.states[e.state].iepsilons != 0;
    if (!any) return;
    queue_.clear();
    rest_.clear();
    waiting_.clear();
    for (std::size_t i = 0; i < closed_.size(); ++i) {
      place_[closed_[i].state] = std::uint32_t(i);
      rest_.push_back(closed_[i].weight);
      waiting_.push_back(1);
      queue_.push_back(std::uint32_t(i));
    }
    for (std::size_t at = 0; at < queue_.size(); ++at) {
      const std::uint32_t i = queue_[at];
      const Element e = closed_[i];
      const W cost = rest_[i];
      rest_[i] = W::zero();
      waiting_[i] = 0;
      std::uint32_t left = fst_.states[e.state].iepsilons;
      for (const Arc<W>& arc : fst_.arcs_of(e.state)) {
        if (left == 0) break;
        if (arc.ilabel != 0) continue;
        --left;
        if (is_zero(W(arc.weight))) continue;
        work_.step();
        const W weight = times(cost, W(arc.weight), none_);
        const StringId string = strings_.append(e.string, arc.olabel);
        std::uint32_t& place = place_[arc.nextstate];
        if (place == kNowhere) {
          if (strings_.length(string) > longest_) too_long(q, string);
          place = std::uint32_t(closed_.size());
          closed_.push_back({arc.nextstate, string, weight});
          rest_.push_back(weight);
          waiting_.push_back(1);
          queue_.push_back(place);
          continue;
        }
        Element& to = closed_[place];
        if (to.string != string) {
          if (!options_.disambiguate) not_functional(q, 0, to.string, string, arc.nextstate);
          if (compare_weights(to.weight, weight) >= 0) continue;
          to.string = string;
          to.weight = weight;
          rest_[place] = weight;
        } else {
          const W sum = plus(to.weight, weight, none_);
          const bool same = std::is_same_v<W, LogWeight> ? near(sum, none_, to.weight, none_, kLeastShare)
                                                         : equal(sum, none_, to.weight, none_);
          if (same) continue;
          to.weight = sum;
          rest_[place] = plus(rest_[place], weight, none_);
        }
        if (!waiting_[place]) {
          waiting_[place] = 1;
          queue_.push_back(place);
        }
      }
      if (at > 1000 && at / closed_.size() > std::max<std::size_t>(closed_.size(), 100000)) {
        work_.fail("input ", input_to(q), " leads to a cycle of input epsilons whose costs "
                  "are negative, or whose probabilities add up to one or more");
      }
    }
    for (const Element& e : closed_) place_[e.state] = kNowhere;
  }

  static int compare_weights(const W& a, const W& b) {
    if constexpr (std::is_same_v<W, LogWeight>) {
      return compare(a.value, b.value);
    } else {
      return compare(a, NoStrings{}, b, NoStrings{});
    }
  }

  void finish_final(StateId q) {
    W final = W::zero();
    StringId string = kEmptyString;
    StateId from = kNoState;
    for (const Element& e : closed_) {
      const W own = fst_.states[e.state].final;
      if (is_zero(own)) continue;
      const W weight = times(e.weight, own, none_);
      if (from == kNoState) {
        final = weight;
        string = e.string;
      } else if (string != e.string) {
        if (!options_.disambiguate) not_functional(q, 0, string, e.string, kNoState);
        if (compare_weights(final, weight) >= 0) continue;
        final = weight;
        string = e.string;
      } else {
        final = plus(final, weight, none_);
      }
      from = e.state;
    }
    if (from == kNoState || string == kEmptyString) {
      out_.open(final);
      return;
    }
    out_.open();
    chain_.push_back({0, 0, kNoState, W::one()});
    StateId next = last_of_chain();
    const Label ilabel = star ? 0 : options_.subsequential_label;
    for (std::size_t i = strings_.length(string); i-- > 1;) {
      chain_.push_back({ilabel, strings_.label(string, i), next, W::zero()});
      next = last_of_chain();
    }
    out_.add({ilabel, strings_.label(string, 0), final, next});
  }
  StateId last_of_chain() const { return -1 - StateId(chain_.size()); }

  void add_arc(StateId q, Label label, std::span<const Transition> group) {
    subset_.clear();
    for (const Transition& t : group) {
      const auto state = static_cast<StateId>(std::uint32_t(t.key));
      if (!subset_.empty() && subset_.back().state == state) {
        Element& e = subset_.back();
        if (e.string == t.string) {
          e.weight = plus(e.weight, t.weight, none_);
        } else if (!options_.disambiguate) {
          not_functional(q, label, e.string, t.string, state);
        } else if (compare_weights(e.weight, t.weight) < 0) {
          e.string = t.string;
          e.weight = t.weight;
        }
      } else {
        subset_.push_back({state, t.string, t.weight});
      }
    }
    // What all have in common goes on the arc.
    W total = subset_[0].weight;
    const StringId first = subset_[0].string;
    std::size_t common = std::min(kMostOnArc, strings_.length(first));
    for (std::size_t i = 1; i < subset_.size(); ++i) {
      total = plus(total, subset_[i].weight, none_);
      common = strings_.common(first, subset_[i].string, common);
    }
    for (Element& e : subset_) {
      e.weight = divide(e.weight, total, Side::kLeft, none_);
      if (common) e.string = strings_.without_first(e.string, common);
      if (e.string >= 0x80000000 && strings_.length(e.string) > longest_) too_long(q, e.string);
    }
    if (subset_.size() == 1) subset_[0].weight = W::one();
    StateId next = number_subset();
    for (std::size_t i = common; i-- > 1;) {
      chain_.push_back({0, strings_.label(first, i), next, W::zero()});
      next = last_of_chain();
    }
    out_.add({label, acceptor_ ? label : common ? strings_.label(first, 0) : 0, total, next});
  }

  // ---- What went wrong

  // Input labels on a path of the result to a state, as a list.
  std::string input_to(StateId q) const {
    std::vector<StateId> parent(subsets_.size(), kNoState);
    std::vector<Label> label(subsets_.size(), 0);
    std::size_t at = 0;
    for (std::size_t s = 0; s < out_.states.size(); ++s) {
      for (std::uint32_t i = 0; i < out_.states[s].arcs; ++i, ++at) {
        const Arc<W>& arc = out_.arcs[at];
        StateId to = arc.nextstate;
        while (to < -1) to = chain_[std::size_t(-2 - to)].next;
        if (to <= 0 || parent[to] != kNoState) continue;
        parent[to] = StateId(s);
        label[to] = arc.ilabel;
      }
    }
    std::vector<Label> path;
    for (StateId s = q; s > 0 && parent[s] != kNoState; s = parent[s]) path.push_back(label[s]);
    std::string text = "[";
    for (std::size_t i = path.size(); i-- > 0;) {
      text += std::to_string(path[i]);
      if (i) text += " ";
      if (path.size() - i == kMostPrinted && i) {
        text += "...";
        break;
      }
    }
    return text + "]";
  }
  std::string labels_of(StringId id) const {
    std::string text = "[";
    const std::size_t n = strings_.length(id);
    for (std::size_t i = 0; i < std::min(n, kMostPrinted); ++i) {
      text += (i ? " " : "") + std::to_string(strings_.label(id, i));
    }
    return text + (n > kMostPrinted ? " ...]" : "]");
  }
  [[noreturn]] void not_functional(StateId q, Label label, StringId a, StringId b, StateId state) const {
    const std::string where = state == kNoState ? " at the end" : " at state " + std::to_string(state);
    const std::string then = label ? " and then " + std::to_string(label) : "";
    work_.fail("it is not functional: after input ", input_to(q), then,
              " there are two outputs, ..", labels_of(a), " and ..", labels_of(b), where,
              ". Add disambiguation symbols, or encode its labels first");
  }
  [[noreturn]] void too_many(StateId q, std::size_t states) const {
    work_.fail("the result has more than max_states=", most_states_, " states (so far ", states,
              "); the last input is ", input_to(q), ". If so many are right, raise max_states; else it cannot be "
              "determinized: add disambiguation symbols, or prune first");
  }
  [[noreturn]] void too_long(StateId q, StringId string) const {
    work_.fail("it cannot be determinized (no twins property): after input ", input_to(q),
              " output of ", strings_.length(string), " labels is still owed: ", labels_of(string),
              ". Add disambiguation symbols, or encode its labels first");
  }

  // ---- The result: chain states behind those of the subsets

  Fst<W> finish(bool partial, Fst<W>& given) {
    const auto subsets = static_cast<StateId>(subsets_.size());
    if (partial) out_.states.resize(subsets_.size());
    elements_ = {};
    subsets_ = {};
    index_ = {};
    strings_ = {};
    single_ = {};
    place_ = {};
    given = {};
    for (Arc<W>& arc : out_.arcs) {
      if (arc.nextstate < -1) arc.nextstate = subsets - 2 - arc.nextstate;
    }
    for (const ChainState& link : chain_) {
      out_.open(link.final);
      if (link.next == kNoState) continue;
      out_.add({link.ilabel, link.olabel, W::one(), link.next < -1 ? subsets - 2 - link.next : StateId(link.next)});
    }
    if (subsets > 0) out_.start = 0;
    using namespace properties;
    Fst<W> result = out_.finish(kNothingKnown | kILabelSorted | kAccessible);
    if constexpr (star) result.reorder(order_found(result.view(), subsets));
    return result;
  }

  static constexpr float kLeastShare = 1e-6f;  // what comes round a cycle is followed until it is below
  static constexpr std::size_t kMostPrinted = 20;
  const View<W> fst_;
  const DeterminizeOptions options_;
  const bool acceptor_;
  const std::uint64_t most_states_;  // 0: any number
  Work work_;
  const std::uint64_t longest_;  // what is owed has no more labels where there are twins
  Array<StateId> single_;
  Array<Element> elements_;
  std::vector<Element> subset_, closed_;
  Array<Subset> subsets_;
  HashIndex index_;
  LabelStrings strings_;
  FstBuilder<W> out_;
  std::vector<ChainState> chain_;
  std::vector<Transition> transitions_;
  // Of the closure: where a state is in closed_, what each has not handed on, who waits.
  Array<std::uint32_t> place_;
  std::vector<std::uint32_t> queue_;
  std::vector<W> rest_;
  std::vector<char> waiting_;
  NoStrings none_;
};

template <class W>
void check_input(const View<W>& fst, const char* operation) {
  const Work work(operation, fst);
  check_costs(fst, work);
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
      if (arc.ilabel < 0) {
        work.fail("an arc of state ", s, " has a negative input label, ", Label(arc.ilabel), "; relabel it");
      }
    }
  }
}

}  // namespace

template <class W>
Fst<W> determinize(const Fst<W>& fst, const DeterminizeOptions& options) {
  using namespace properties;
  const View<W> view = fst.view();
  check_input(view, "determinization");
  bool partial = false;
  const bool acceptor = find_properties(view, fst.stored_properties(), kAcceptor | kNotAcceptor) & kAcceptor;
  Fst<W> given = fst;
  Fst<W> result = Determinization<W, false>(view, options, acceptor).run(partial, given);
  const Bits bits = kAcceptor | kOLabelSorted | kIDeterministic | kODeterministic;
  if (acceptor) result.set_properties(bits, known(bits) & kTrinary);
  return result;
}

template <class W>
Fst<W> determinize_star(Fst<W> fst, const DeterminizeOptions& options, bool& partial) {
  const View<W> view = fst.view();
  check_input(view, "determinize_star");
  return Determinization<W, true>(view, options, false).run(partial, fst);
}

#define SONANT_INSTANTIATE(W)                                             \
  template Fst<W> determinize(const Fst<W>&, const DeterminizeOptions&);  \
  template Fst<W> determinize_star(Fst<W>, const DeterminizeOptions&, bool&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
template Fst<KwsIndexWeight> determinize(const Fst<KwsIndexWeight>&, const DeterminizeOptions&);

}  // namespace sonant

// One state of a composition at a time: what the eager and the lazy composition share.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fst/compose.h"

namespace sonant {

template <class W>
using Arcs = std::span<const Arc<W>>;

// Looks up arcs by input or output label; the arcs of all states must be sorted by it.
template <class W>
class Matcher {
 public:
  static constexpr bool whole = true;  // the arcs of a state lie side by side
  Matcher(const View<W>& fst, bool output) : fst_(fst), label_(output ? &Arc<W>::olabel : &Arc<W>::ilabel) {}

  // States are set before they are asked, and once for each time that they are met: the second time pays for a table.
  void set(StateId s) {
    arcs_ = fst_.arcs_of(s);
    table_ = nullptr;
    if (arcs_.size() < kLeastArcs) return;
    if (tables_.empty()) number_.assign(fst_.num_states, kNew), tables_.emplace_back();
    std::int32_t& number = number_[s];
    if (number == kNew) {
      number = kSeen;
    } else if (number == kSeen) {
      const std::int64_t first = arcs_.front().*label_, last = arcs_.back().*label_;
      if (last - first + 1 > std::int64_t(arcs_.size()) * kMostSlotsPerArc) {
        number = kSparse;
        return;
      }
      number = static_cast<std::int32_t>(tables_.size());
      Table& table = tables_.emplace_back();
      table.first = static_cast<Label>(first);
      table.slots.assign(std::size_t(last - first + 1), kEmpty);
      for (std::size_t i = arcs_.size(); i-- > 0;) {
        table.slots[std::size_t(arcs_[i].*label_ - first)] = static_cast<std::uint32_t>(i);
      }
    }
    if (number > 0) table_ = &tables_[number];
  }

  std::size_t num_states() const { return fst_.num_states; }
  StateId start() const { return fst_.start; }
  const State<W>& state(StateId s) const { return fst_.states[s]; }
  Arcs<W> arcs_of(StateId s) const { return fst_.arcs_of(s); }
  const StringsOf<W>& strings() const { return *fst_.strings; }

  Arcs<W> find(Label label) const {
    std::size_t from = 0;
    if (table_) {
      const std::int64_t slot = std::int64_t(label) - table_->first;
      if (slot < 0 || slot >= std::int64_t(table_->slots.size())) return {};
      if ((from = table_->slots[std::size_t(slot)]) == kEmpty) return {};
    } else if (arcs_.size() <= kFew) {
      while (from < arcs_.size() && arcs_[from].*label_ < label) ++from;
    } else {
      std::size_t count = arcs_.size();  // halved without branches
      while (count > 1) {
        const std::size_t half = count / 2;
        from += (arcs_[from + half - 1].*label_ < label) ? half : 0;
        count -= half;
      }
      from += arcs_[from].*label_ < label;
    }
    std::size_t to = from;
    while (to < arcs_.size() && arcs_[to].*label_ == label) ++to;
    return arcs_.subspan(from, to - from);
  }

 private:
  static constexpr std::size_t kLeastArcs = 16, kFew = 6;
  static constexpr std::int64_t kMostSlotsPerArc = 4;
  static constexpr std::uint32_t kEmpty = 0xffffffff;
  static constexpr std::int32_t kNew = 0, kSeen = -1, kSparse = -2;
  struct Table {
    Label first = 0;
    std::vector<std::uint32_t> slots;
  };
  View<W> fst_;
  Label Arc<W>::*label_;
  Arcs<W> arcs_;
  const Table* table_ = nullptr;
  std::vector<std::int32_t> number_;
  std::vector<Table> tables_;
};

// ---- Filters. Each says with which state of its own a pair of arcs goes on, or kBlocked. `stay_left`: only the right
// side moves, by an epsilon; `stay_right`: only the left one; `both`: both move by the same label.

inline constexpr int kBlocked = -1;

struct StateFacts {
  bool all_epsilons, no_epsilons;  // nothing but epsilons leaves it, and it is not final; no epsilon leaves it
};

struct SequenceFilter {  // epsilons of the left side first
  static int stay_left(int, StateFacts left, StateFacts) {
    return left.all_epsilons ? kBlocked : left.no_epsilons ? 0 : 1;
  }
  static int stay_right(int state, StateFacts, StateFacts) { return state == 0 ? 0 : kBlocked; }
  static int both(int, Label label) { return label == 0 ? kBlocked : 0; }
};

struct AltSequenceFilter {  // epsilons of the right side first
  static int stay_left(int state, StateFacts, StateFacts) { return state == 0 ? 0 : kBlocked; }
  static int stay_right(int, StateFacts, StateFacts right) {
    return right.all_epsilons ? kBlocked : right.no_epsilons ? 0 : 1;
  }
  static int both(int, Label label) { return label == 0 ? kBlocked : 0; }
};

struct MatchFilter {  // epsilons of both sides at once where that can be
  static int stay_left(int state, StateFacts left, StateFacts) {
    if (state != 0) return state == 2 ? 2 : kBlocked;
    return left.no_epsilons ? 0 : left.all_epsilons ? kBlocked : 2;
  }
  static int stay_right(int state, StateFacts, StateFacts right) {
    if (state != 0) return state == 1 ? 1 : kBlocked;
    return right.no_epsilons ? 0 : right.all_epsilons ? kBlocked : 1;
  }
  static int both(int state, Label label) { return label == 0 && state != 0 ? kBlocked : 0; }
};

struct TrivialFilter {  // all orders of epsilons, each a path of its own
  static int stay_left(int, StateFacts, StateFacts) { return 0; }
  static int stay_right(int, StateFacts, StateFacts) { return 0; }
  static int both(int, Label) { return 0; }
};

struct NoMatchFilter {  // as that, but epsilons never at once
  static int stay_left(int, StateFacts, StateFacts) { return 0; }
  static int stay_right(int, StateFacts, StateFacts) { return 0; }
  static int both(int, Label label) { return label == 0 ? kBlocked : 0; }
};

struct NullFilter {  // epsilons are labels like others
  static int stay_left(int, StateFacts, StateFacts) { return kBlocked; }
  static int stay_right(int, StateFacts, StateFacts) { return kBlocked; }
  static int both(int, Label) { return 0; }
};

// ---- Weights of two automata, joined in a third.

template <class W>
W product(const W& a, const StringsOf<W>& in_a, const W& b, const StringsOf<W>& in_b, StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    const LatticeWeight weight = times(a.weight, b.weight);
    if (is_zero(weight)) return W::zero();
    if (strings.symbols.size() + a.length + b.length > kMostSymbols) {
      fst_error("composition: the strings of the result are too long");
    }
    const W first = strings.add(weight, in_a.of(a));
    strings.add(weight, in_b.of(b));  // looked up now: the first one may have moved the strings
    return {weight, first.begin, first.length + b.length};
  } else {
    return times(a, b, strings);
  }
}

template <class W>
bool is_sorted(const View<W>& fst, Label Arc<W>::*label) {
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    const auto arcs = fst.arcs_of(StateId(s));
    for (std::size_t i = 1; i < arcs.size(); ++i) {
      if (arcs[i - 1].*label > arcs[i].*label) return false;
    }
  }
  return true;
}

struct ComposeSides {
  bool left_sorted, right_sorted;  // by the labels in the middle
  bool rewrite_output;             // of an acceptor, where a special label stands for others
};

// `right` is null where it is a sorted acceptor. Throws FstError where the two cannot be composed so.
template <class W>
ComposeSides check_compose(const Fst<W>& left, const Fst<W>* right, const ComposeOptions& options) {
  using namespace properties;
  const View<W> a = left.view(), b = right ? right->view() : View<W>{};
  ComposeSides sides;
  sides.right_sorted = !right || (right->stored_properties() & kILabelSorted) || is_sorted(b, &Arc<W>::ilabel);
  sides.left_sorted = options.special == Special::kNone &&
                      ((left.stored_properties() & kOLabelSorted) || is_sorted(a, &Arc<W>::olabel));
  if (options.special != Special::kNone && !sides.right_sorted) {
    fst_error("composition: the right automaton (", b.num_states, " states) is not sorted by input labels, in which "
              "special labels are looked for: sort its arcs by 'ilabel'");
  }
  if (!sides.left_sorted && !sides.right_sorted) {
    fst_error("composition: neither the left automaton (", a.num_states, " states) is sorted by output labels nor the "
              "right one (", b.num_states, " states) by input labels: sort the left one's arcs by 'olabel' or the "
              "right one's by 'ilabel'");
  }
  const bool usual = options.filter == ComposeFilter::kAuto || options.filter == ComposeFilter::kSequence;
  if (options.special != Special::kNone && !usual) {
    fst_error("composition: special labels go with the filters 'auto' and 'sequence' only");
  }
  sides.rewrite_output = false;
  if (options.special == Special::kRho || options.special == Special::kSigma) {
    sides.rewrite_output = !right || (find_properties(b, right->stored_properties(), kAcceptor) & kAcceptor);
  }
  return sides;
}

// Makes the states of a composition one by one. `Right` looks labels up in the right automaton: a Matcher, or what
// does the same for an automaton that is no table of arcs.
template <class W, class Filter, Special special, class Right = Matcher<W>>
class Composition {
 public:
  Composition(const View<W>& left, Right right, bool left_sorted, bool right_sorted, const ComposeOptions& options,
              bool rewrite_output)
      : left_(left), match_left_(left_sorted), match_right_(right_sorted), options_(options),
        rewrite_output_(rewrite_output), in_left_(left, true), in_right_(std::move(right)),
        work_("composition", options.bounds, sizeof(State<W>) + 28, sizeof(Arc<W>)) {
    work_.what = "two automata of " + std::to_string(left.num_states) + " and " +
                 std::to_string(in_right_.num_states()) + " states";
  }

  // State 0 is the start; kNoState where there is none.
  StateId start() {
    if (left_.start == kNoState || in_right_.start() == kNoState) return kNoState;
    return StateId(pairs_(key(left_.start, in_right_.start(), 0)));
  }
  std::size_t size() const { return pairs_.size(); }  // states that are known
  const StringsOf<W>& strings() const { return strings_; }
  StringsOf<W> take_pairs_away() {  // when all is made: their memory is wanted for what comes after
    pairs_ = Numbering();
    return std::move(strings_);
  }
  Work& work() { return work_; }

  // Appends the arcs of a state that is known; returns its final cost.
  W expand(std::size_t q, Array<Arc<W>>& arcs) {
    const std::uint64_t pair = pairs_.key(q);
    arcs_ = &arcs;
    const std::size_t first = arcs.size();
    keys_.clear();
    expand(StateId(pair >> 33), StateId((pair >> 2) & 0x7fffffff), int(pair & 3));
    // All at once, so that the memory of one is on its way while another is looked up.
    for (std::size_t i = 0; i < keys_.size(); ++i) arcs[first + i].nextstate = StateId(pairs_(keys_[i]));
    return final_;
  }
  W final(std::size_t q) {
    const std::uint64_t pair = pairs_.key(q);
    const auto t = StateId((pair >> 2) & 0x7fffffff);
    if constexpr (special == Special::kPhi) in_right_.set(t);
    return final_of(StateId(pair >> 33), t);
  }

 private:
  static std::uint64_t key(StateId s, StateId t, int filter) {
    return std::uint64_t(std::uint32_t(s)) << 33 | std::uint64_t(std::uint32_t(t)) << 2 | std::uint64_t(filter);
  }

  void add(Label ilabel, Label olabel, const W& weight, StateId s, StateId t, int filter) {
    work_.step();
    const std::uint64_t to = key(s, t, filter);
    pairs_.prefetch(to);
    keys_.push_back(to);
    arcs_->push_back({ilabel, olabel, weight, kNoState});
  }
  void move_left(const Arc<W>& a) {
    const int to = Filter::stay_right(filter_, left_facts_, right_facts_);
    if (to == kBlocked) return;
    const W weight = product(W(a.weight), *left_.strings, W::one(), in_right_.strings(), strings_);
    add(a.ilabel, 0, weight, a.nextstate, t_, to);
  }
  void move_right(const Arc<W>& b) {
    const int to = Filter::stay_left(filter_, left_facts_, right_facts_);
    if (to == kBlocked) return;
    const W weight = product(W::one(), *left_.strings, W(b.weight), in_right_.strings(), strings_);
    add(0, b.olabel, weight, s_, b.nextstate, to);
  }
  void move_both(const Arc<W>& a, const Arc<W>& b, Label olabel) {
    const int to = Filter::both(filter_, a.olabel);
    if (to == kBlocked) return;
    add(a.ilabel, olabel, product(W(a.weight), *left_.strings, W(b.weight), in_right_.strings(), strings_), a.nextstate,
        b.nextstate, to);
  }

  // Matches of an arc of the left side where a label of the right side is special.
  void match_special(const Arc<W>& a) {
    const Label label = a.olabel;
    if (label == options_.special_label) {
      fst_error("composition: the label ", label, " stands for a failure, the rest or any label in the right automaton"
                " and comes in the left one, too; choose another special label");
    }
    if constexpr (special == Special::kPhi) {
      const Arcs<W> here = in_right_.find(label);
      if (!here.empty()) {
        for (const Arc<W>& b : here) move_both(a, b, b.olabel);
        return;
      }
      W cost = W::one();
      StateId t = t_;
      for (std::size_t steps = 0;; ++steps) {
        const Arcs<W> failures = in_right_.find(options_.special_label);
        if (failures.empty()) break;
        if (steps > in_right_.num_states()) cycle_of_failures(t);
        cost = product(cost, strings_, W(failures[0].weight), in_right_.strings(), strings_);
        t = failures[0].nextstate;
        in_right_.set(t);
        const Arcs<W> found = in_right_.find(label);
        if (found.empty()) continue;
        for (const Arc<W>& b : found) {
          Arc<W> whole = b;
          whole.weight = product(cost, strings_, W(b.weight), in_right_.strings(), strings_);
          const int to = Filter::both(filter_, label);
          if (to == kBlocked) continue;
          add(a.ilabel, b.olabel, product(W(a.weight), *left_.strings, W(whole.weight), strings_, strings_),
              a.nextstate, b.nextstate, to);
        }
        break;
      }
      in_right_.set(t_);
    } else {
      const Arcs<W> here = in_right_.find(label);
      for (const Arc<W>& b : here) move_both(a, b, b.olabel);
      if (special == Special::kRho && !here.empty()) return;
      for (const Arc<W>& b : in_right_.find(options_.special_label)) {
        move_both(a, b, rewrite_output_ && b.olabel == options_.special_label ? label : Label(b.olabel));
      }
    }
  }
  [[noreturn]] void cycle_of_failures(StateId t) const {
    fst_error("composition: the failure arcs of the right automaton have a cycle through state ", t);
  }

  // The final cost of a right state that can be reached by failures.
  W final_of_right(StateId t) {
    W final = in_right_.state(t).final;
    if constexpr (special == Special::kPhi) {
      if (!is_zero(final)) return product(final, in_right_.strings(), W::one(), in_right_.strings(), strings_);
      W cost = W::one();
      const StateId from = t;
      for (std::size_t steps = 0; is_zero(in_right_.state(t).final); ++steps) {
        in_right_.set(t);
        const Arcs<W> failures = in_right_.find(options_.special_label);
        if (failures.empty()) break;
        if (steps > in_right_.num_states()) cycle_of_failures(t);
        cost = product(cost, strings_, W(failures[0].weight), in_right_.strings(), strings_);
        t = failures[0].nextstate;
      }
      in_right_.set(from);
      return product(cost, strings_, W(in_right_.state(t).final), in_right_.strings(), strings_);
    } else {
      return final;
    }
  }

  void expand(StateId s, StateId t, int filter) {
    s_ = s;
    t_ = t;
    filter_ = filter;
    const State<W>& left = left_.states[s];
    const State<W>& right = in_right_.state(t);
    left_facts_ = {left.arcs == left.oepsilons && is_zero(left.final), left.oepsilons == 0};
    right_facts_ = {right.arcs == right.iepsilons && is_zero(right.final), right.iepsilons == 0};
    const Arcs<W> as = left_.arcs_of(s);
    const bool lookup = special != Special::kNone || (match_right_ && (!match_left_ || as.size() <= right.arcs));
    if (!Right::whole || lookup) {
      if (special != Special::kNone || right.arcs) in_right_.set(t);
      const Arcs<W> epsilons = right.iepsilons ? in_right_.find(0) : Arcs<W>{};
      for (const Arc<W>& b : epsilons) move_right(b);
      for (const Arc<W>& a : as) {
        if (a.olabel == 0) {
          move_left(a);
          for (const Arc<W>& b : epsilons) move_both(a, b, b.olabel);
        } else if constexpr (special != Special::kNone) {
          match_special(a);
        } else if (right.arcs) {
          for (const Arc<W>& b : in_right_.find(a.olabel)) move_both(a, b, b.olabel);
        }
      }
    } else if constexpr (Right::whole) {
      if (!as.empty()) in_left_.set(s);
      const Arcs<W> epsilons = left.oepsilons ? in_left_.find(0) : Arcs<W>{};
      for (const Arc<W>& a : epsilons) move_left(a);
      for (const Arc<W>& b : in_right_.arcs_of(t)) {
        if (b.ilabel == 0) {
          move_right(b);
          for (const Arc<W>& a : epsilons) move_both(a, b, b.olabel);
        } else if (!as.empty()) {
          for (const Arc<W>& a : in_left_.find(b.ilabel)) move_both(a, b, b.olabel);
        }
      }
    }
    final_ = final_of(s, t);
  }

  // The lookup in the right automaton stands at `t` where failures are followed.
  W final_of(StateId s, StateId t) {
    const W left = left_.states[s].final;
    if (is_zero(left)) return W::zero();
    if constexpr (special == Special::kPhi) {
      return product(left, *left_.strings, final_of_right(t), strings_, strings_);
    } else {
      const W right = in_right_.state(t).final;
      return is_zero(right) ? W::zero() : product(left, *left_.strings, right, in_right_.strings(), strings_);
    }
  }

  View<W> left_;
  bool match_left_, match_right_;
  ComposeOptions options_;
  bool rewrite_output_;
  Matcher<W> in_left_;
  Right in_right_;
  Numbering pairs_;
  Work work_;
  Array<Arc<W>>* arcs_ = nullptr;
  std::vector<std::uint64_t> keys_;  // where they lead
  StringsOf<W> strings_;
  // Of the state that is being expanded.
  StateId s_ = 0, t_ = 0;
  int filter_ = 0;
  StateFacts left_facts_{}, right_facts_{};
  W final_;
};

}  // namespace sonant

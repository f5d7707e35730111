#include "fst_compose.h"

#include <algorithm>
#include <limits>

namespace sonant {

namespace {

template <class W>
using Arcs = std::span<const Arc<W>>;

// Looks up arcs by input or output label; the arcs of all states must be sorted by it.
template <class W>
class Matcher {
 public:
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

// ---- Filters. Each says with which state of its own a pair of arcs goes on, or kNo. `stay_left`: only the right side
// moves, by an epsilon; `stay_right`: only the left one; `both`: both move by the same label.

constexpr int kNo = -1;

struct StateFacts {
  bool all_epsilons, no_epsilons;  // nothing but epsilons leaves it, and it is not final; no epsilon leaves it
};

struct SequenceFilter {  // epsilons of the left side first
  static int stay_left(int, StateFacts left, StateFacts) { return left.all_epsilons ? kNo : left.no_epsilons ? 0 : 1; }
  static int stay_right(int state, StateFacts, StateFacts) { return state == 0 ? 0 : kNo; }
  static int both(int, Label label) { return label == 0 ? kNo : 0; }
};

struct AltSequenceFilter {  // epsilons of the right side first
  static int stay_left(int state, StateFacts, StateFacts) { return state == 0 ? 0 : kNo; }
  static int stay_right(int, StateFacts, StateFacts right) {
    return right.all_epsilons ? kNo : right.no_epsilons ? 0 : 1;
  }
  static int both(int, Label label) { return label == 0 ? kNo : 0; }
};

struct MatchFilter {  // epsilons of both sides at once where that can be
  static int stay_left(int state, StateFacts left, StateFacts) {
    if (state != 0) return state == 2 ? 2 : kNo;
    return left.no_epsilons ? 0 : left.all_epsilons ? kNo : 2;
  }
  static int stay_right(int state, StateFacts, StateFacts right) {
    if (state != 0) return state == 1 ? 1 : kNo;
    return right.no_epsilons ? 0 : right.all_epsilons ? kNo : 1;
  }
  static int both(int state, Label label) { return label == 0 && state != 0 ? kNo : 0; }
};

struct TrivialFilter {  // all orders of epsilons, each a path of its own
  static int stay_left(int, StateFacts, StateFacts) { return 0; }
  static int stay_right(int, StateFacts, StateFacts) { return 0; }
  static int both(int, Label) { return 0; }
};

struct NoMatchFilter {  // as that, but epsilons never at once
  static int stay_left(int, StateFacts, StateFacts) { return 0; }
  static int stay_right(int, StateFacts, StateFacts) { return 0; }
  static int both(int, Label label) { return label == 0 ? kNo : 0; }
};

struct NullFilter {  // epsilons are labels like others
  static int stay_left(int, StateFacts, StateFacts) { return kNo; }
  static int stay_right(int, StateFacts, StateFacts) { return kNo; }
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
bool sorted(const View<W>& fst, Label Arc<W>::*label) {
  for (std::size_t s = 0; s < fst.num_states; ++s) {
    const auto arcs = fst.arcs_of(StateId(s));
    for (std::size_t i = 1; i < arcs.size(); ++i) {
      if (arcs[i - 1].*label > arcs[i].*label) return false;
    }
  }
  return true;
}

template <class W, class Filter, Special special>
class Composition {
 public:
  Composition(const View<W>& left, const View<W>& right, bool left_sorted, bool right_sorted,
              const ComposeOptions& options, bool rewrite_output)
      : left_(left), right_(right), match_left_(left_sorted), match_right_(right_sorted), options_(options),
        rewrite_output_(rewrite_output), in_left_(left, true), in_right_(right, false),
        work_("composition", options.bounds, sizeof(State<W>) + 28, sizeof(Arc<W>)) {
    work_.what = "two automata of " + std::to_string(left.num_states) + " and " + std::to_string(right.num_states) +
                 " states";
  }

  Fst<W> run() {
    if (left_.start != kNoState && right_.start != kNoState) {
      result_.start = 0;
      pairs_(key(left_.start, right_.start, 0));
    }
    for (std::size_t q = 0; q < pairs_.size(); ++q) {
      const std::uint64_t pair = pairs_.key(q);
      result_.open();
      expand(StateId(pair >> 33), StateId((pair >> 2) & 0x7fffffff), int(pair & 3));
      result_.states.back().final = final_;
      work_.made(pairs_.size(), result_.arcs.size());
    }
    pairs_ = Numbering();
    using namespace properties;
    Bits bits = kExpanded | kMutable | kAccessible;
    if (options_.connect) {
      drop_dead_ends(result_, work_);
      bits |= kCoAccessible;
    }
    result_.strings = std::move(strings_);
    return result_.finish(bits);
  }

 private:
  static std::uint64_t key(StateId s, StateId t, int filter) {
    return std::uint64_t(std::uint32_t(s)) << 33 | std::uint64_t(std::uint32_t(t)) << 2 | std::uint64_t(filter);
  }

  void add(Label ilabel, Label olabel, const W& weight, StateId s, StateId t, int filter) {
    work_.step();
    result_.add({ilabel, olabel, weight, StateId(pairs_(key(s, t, filter)))});
  }
  void move_left(const Arc<W>& a) {
    const int to = Filter::stay_right(filter_, left_facts_, right_facts_);
    if (to == kNo) return;
    add(a.ilabel, 0, product(W(a.weight), *left_.strings, W::one(), *right_.strings, strings_), a.nextstate, t_, to);
  }
  void move_right(const Arc<W>& b) {
    const int to = Filter::stay_left(filter_, left_facts_, right_facts_);
    if (to == kNo) return;
    add(0, b.olabel, product(W::one(), *left_.strings, W(b.weight), *right_.strings, strings_), s_, b.nextstate, to);
  }
  void move_both(const Arc<W>& a, const Arc<W>& b, Label olabel) {
    const int to = Filter::both(filter_, a.olabel);
    if (to == kNo) return;
    add(a.ilabel, olabel, product(W(a.weight), *left_.strings, W(b.weight), *right_.strings, strings_), a.nextstate,
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
        if (steps > right_.num_states) cycle_of_failures(t);
        cost = product(cost, strings_, W(failures[0].weight), *right_.strings, strings_);
        t = failures[0].nextstate;
        in_right_.set(t);
        const Arcs<W> found = in_right_.find(label);
        if (found.empty()) continue;
        for (const Arc<W>& b : found) {
          Arc<W> whole = b;
          whole.weight = product(cost, strings_, W(b.weight), *right_.strings, strings_);
          const int to = Filter::both(filter_, label);
          if (to == kNo) continue;
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
    W final = right_.states[t].final;
    if constexpr (special == Special::kPhi) {
      if (!is_zero(final)) return product(final, *right_.strings, W::one(), *right_.strings, strings_);
      W cost = W::one();
      const StateId from = t;
      for (std::size_t steps = 0; is_zero(right_.states[t].final); ++steps) {
        in_right_.set(t);
        const Arcs<W> failures = in_right_.find(options_.special_label);
        if (failures.empty()) break;
        if (steps > right_.num_states) cycle_of_failures(t);
        cost = product(cost, strings_, W(failures[0].weight), *right_.strings, strings_);
        t = failures[0].nextstate;
      }
      in_right_.set(from);
      return product(cost, strings_, W(right_.states[t].final), *right_.strings, strings_);
    } else {
      return final;
    }
  }

  void expand(StateId s, StateId t, int filter) {
    s_ = s;
    t_ = t;
    filter_ = filter;
    const State<W>&left = left_.states[s], &right = right_.states[t];
    left_facts_ = {left.arcs == left.oepsilons && is_zero(left.final), left.oepsilons == 0};
    right_facts_ = {right.arcs == right.iepsilons && is_zero(right.final), right.iepsilons == 0};
    const Arcs<W> as = left_.arcs_of(s), bs = right_.arcs_of(t);
    if (special != Special::kNone || (match_right_ && (!match_left_ || as.size() <= bs.size()))) {
      if (special != Special::kNone || !bs.empty()) in_right_.set(t);
      const Arcs<W> epsilons = right.iepsilons ? in_right_.find(0) : Arcs<W>{};
      for (const Arc<W>& b : epsilons) move_right(b);
      for (const Arc<W>& a : as) {
        if (a.olabel == 0) {
          move_left(a);
          for (const Arc<W>& b : epsilons) move_both(a, b, b.olabel);
        } else if constexpr (special != Special::kNone) {
          match_special(a);
        } else if (!bs.empty()) {
          for (const Arc<W>& b : in_right_.find(a.olabel)) move_both(a, b, b.olabel);
        }
      }
    } else {
      if (!as.empty()) in_left_.set(s);
      const Arcs<W> epsilons = left.oepsilons ? in_left_.find(0) : Arcs<W>{};
      for (const Arc<W>& a : epsilons) move_left(a);
      for (const Arc<W>& b : bs) {
        if (b.ilabel == 0) {
          move_right(b);
          for (const Arc<W>& a : epsilons) move_both(a, b, b.olabel);
        } else if (!as.empty()) {
          for (const Arc<W>& a : in_left_.find(b.ilabel)) move_both(a, b, b.olabel);
        }
      }
    }
    if constexpr (special == Special::kPhi) {
      final_ = is_zero(left.final) ? W::zero()
                                   : product(W(left.final), *left_.strings, final_of_right(t), strings_, strings_);
    } else {
      const bool none = is_zero(left.final) || is_zero(right.final);
      final_ = none ? W::zero() : product(W(left.final), *left_.strings, W(right.final), *right_.strings, strings_);
    }
  }

  View<W> left_, right_;
  bool match_left_, match_right_;
  ComposeOptions options_;
  bool rewrite_output_;
  Matcher<W> in_left_, in_right_;
  Numbering pairs_;
  Work work_;
  FstBuilder<W> result_;
  StringsOf<W> strings_;
  // Of the state that is being expanded.
  StateId s_ = 0, t_ = 0;
  int filter_ = 0;
  StateFacts left_facts_{}, right_facts_{};
  W final_;
};

template <class W, class Filter>
Fst<W> filtered(const View<W>& left, const View<W>& right, bool left_sorted, bool right_sorted,
                const ComposeOptions& options, bool rewrite_output) {
  const auto run = [&]<Special special>() {
    return Composition<W, Filter, special>(left, right, left_sorted, right_sorted, options, rewrite_output).run();
  };
  if constexpr (std::is_same_v<Filter, SequenceFilter>) {  // special labels go with the usual filter
    if (options.special == Special::kPhi) return run.template operator()<Special::kPhi>();
    if (options.special == Special::kRho) return run.template operator()<Special::kRho>();
    if (options.special == Special::kSigma) return run.template operator()<Special::kSigma>();
  }
  return run.template operator()<Special::kNone>();
}

}  // namespace

template <class W>
Fst<W> compose(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  const View<W> a = left.view(), b = right.view();
  const bool right_sorted =
      (right.stored_properties() & properties::kILabelSorted) || sorted(b, &Arc<W>::ilabel);
  const bool left_sorted = options.special == Special::kNone &&
                           ((left.stored_properties() & properties::kOLabelSorted) || sorted(a, &Arc<W>::olabel));
  if (options.special != Special::kNone && !right_sorted) {
    fst_error("composition: the right automaton (", b.num_states, " states) is not sorted by input labels, in which "
              "special labels are looked for: sort its arcs by 'ilabel'");
  }
  if (!left_sorted && !right_sorted) {
    fst_error("composition: neither the left automaton (", a.num_states, " states) is sorted by output labels nor the "
              "right one (", b.num_states, " states) by input labels: sort the left one's arcs by 'olabel' or the "
              "right one's by 'ilabel'");
  }
  bool acceptor = false;
  if (options.special == Special::kRho || options.special == Special::kSigma) {
    acceptor = find_properties(b, right.stored_properties(), properties::kAcceptor) & properties::kAcceptor;
  }
  const auto run = [&]<class Filter>() {
    return filtered<W, Filter>(a, b, left_sorted, right_sorted, options, acceptor);
  };
  const bool usual = options.filter == ComposeFilter::kAuto || options.filter == ComposeFilter::kSequence;
  if (options.special != Special::kNone && !usual) {
    fst_error("composition: special labels go with the filters 'auto' and 'sequence' only");
  }
  switch (options.filter) {
    case ComposeFilter::kNull: return run.template operator()<NullFilter>();
    case ComposeFilter::kTrivial: return run.template operator()<TrivialFilter>();
    case ComposeFilter::kAltSequence: return run.template operator()<AltSequenceFilter>();
    case ComposeFilter::kMatch: return run.template operator()<MatchFilter>();
    case ComposeFilter::kNoMatch: return run.template operator()<NoMatchFilter>();
    default: return run.template operator()<SequenceFilter>();
  }
}

template <class W>
Fst<W> intersect(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  using namespace properties;
  for (const Fst<W>* fst : {&left, &right}) {
    if (!(find_properties(fst->view(), fst->stored_properties(), kAcceptor | kNotAcceptor) & kAcceptor)) {
      fst_error("intersection: the ", fst == &left ? "left" : "right", " automaton (", fst->num_states(),
                " states) has arcs with different input and output labels; project it first");
    }
  }
  return compose(left, right, options);
}

template <class W>
Fst<W> difference(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  using namespace properties;
  const View<W> b = right.view();
  const Bits asked = kAcceptor | kIDeterministic | kNoIEpsilons | kUnweighted;
  const Bits found = find_properties(b, right.stored_properties(), asked | kNonIDeterministic);
  if ((found & asked) != asked) {
    fst_error("difference: the right automaton (", b.num_states, " states) is not ",
              !(found & kAcceptor) ? "an acceptor: project it"
              : !(found & kUnweighted) ? "unweighted: remove its weights"
              : !(found & kNoIEpsilons) ? "free of epsilons: remove them"
                                        : "deterministic: determinize it");
  }
  // The complement: what was final is not, and labels that are not there lead to a final state with a loop.
  std::int64_t rest = 1;
  for (const View<W>& fst : {left.view(), b}) {
    for (std::size_t s = 0; s < fst.num_states; ++s) {
      for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
        rest = std::max<std::int64_t>(rest, std::int64_t(std::max(arc.ilabel, arc.olabel)) + 1);
      }
    }
  }
  if (rest > std::numeric_limits<Label>::max()) {
    fst_error("difference: label ", rest - 1, " is the highest that there is, and one more is needed for the rest of all "
              "labels; relabel it");
  }
  const auto other = static_cast<Label>(rest);
  FstBuilder<W> complement;
  complement.start = b.start == kNoState ? StateId(b.num_states) : b.start;
  const auto trap = static_cast<StateId>(b.num_states);
  for (StateId s = 0; s <= trap; ++s) {
    complement.open(s == trap || is_zero(b.states[s].final) ? W::one() : W::zero());
    const auto first = std::ptrdiff_t(complement.arcs.size());
    if (s < trap) {
      for (const Arc<W>& arc : b.arcs_of(s)) {
        if (!is_zero(arc.weight)) complement.add(arc);
      }
      std::sort(complement.arcs.begin() + first, complement.arcs.end(),
                [](const Arc<W>& x, const Arc<W>& y) { return x.ilabel < y.ilabel; });
    }
    complement.add({other, other, W::one(), trap});
  }
  ComposeOptions with_rest = options;
  with_rest.filter = ComposeFilter::kAuto;
  with_rest.special = Special::kRho;
  with_rest.special_label = other;
  return compose(left, complement.finish(kExpanded | kMutable | kAcceptor | kILabelSorted), with_rest);
}

#define SONANT_INSTANTIATE(W)                                                          \
  template Fst<W> compose(const Fst<W>&, const Fst<W>&, const ComposeOptions&);        \
  template Fst<W> intersect(const Fst<W>&, const Fst<W>&, const ComposeOptions&);      \
  template Fst<W> difference(const Fst<W>&, const Fst<W>&, const ComposeOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

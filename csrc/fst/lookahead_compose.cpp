#include <algorithm>
#include <bit>
#include <cmath>

#include "fst/lazy.h"
#include "fst/ngram_matcher.h"

namespace sonant {

namespace {

// Arcs of b's states in a table, sorted by the labels in the middle; the same that NgramMatcher does.
template <class W>
class SortedArcs {
 public:
  SortedArcs(const View<W>& fst, bool by_output)
      : fst_(fst), label_(by_output ? &Arc<W>::olabel : &Arc<W>::ilabel), by_output_(by_output) {}
  std::size_t num_states() const { return fst_.num_states; }
  StateId start() const { return fst_.start; }
  // Its epsilons are those of the labels in the middle.
  State<W> state(StateId s) const {
    State<W> state = fst_.states[s];
    if (by_output_) state.iepsilons = state.oepsilons;
    return state;
  }
  void set(StateId s) {
    arcs_ = fst_.arcs_of(s);
    begin_ = state(s).iepsilons;
  }
  std::span<const Arc<W>> epsilons() const { return arcs_.first(begin_); }
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return arcs_.size(); }
  Label label(std::uint64_t at) const { return arcs_[at].*label_; }
  float cost(std::uint64_t at) const { return W(arcs_[at].weight).value; }
  Arc<W> arc(std::uint64_t at) const { return arcs_[at]; }
  std::uint64_t lower_bound(std::uint64_t at, Label label) const {
    const auto from = arcs_.begin() + std::ptrdiff_t(at);
    return std::uint64_t(std::ranges::lower_bound(from, arcs_.end(), label, {}, label_) - arcs_.begin());
  }

 private:
  View<W> fst_;
  Label Arc<W>::*label_;
  bool by_output_;
  std::span<const Arc<W>> arcs_;
  std::uint64_t begin_ = 0;
};

// Sums -log(sum exp(-cost)) over parts of the arcs of b's states. A state with many arcs has a pyramid: sums of 16
// arcs, of 16 such sums, and so on, made when the state is met.
class Sums {
 public:
  template <class Side>
  void set(StateId s, const Side& side) {
    begin_ = side.begin();
    count_ = side.end() - side.begin();
    if (count_ < kLeast) return;
    const std::uint32_t at = number_(std::uint64_t(s));
    if (at == first_.size()) {
      first_.push_back(sums_.size());
      std::uint64_t below = sums_.size();
      for (std::uint64_t i = 0; i < count_; i += kPart) {
        pieces_.clear();
        for (std::uint64_t k = i; k < std::min(i + kPart, count_); ++k) pieces_.push_back(side.cost(begin_ + k));
        sums_.push_back(total());
      }
      for (std::uint64_t size = sums_.size() - below; size >= kLeast; size = sums_.size() - below) {
        for (std::uint64_t i = 0; i < size; i += kPart) {
          const auto from = sums_.begin() + std::ptrdiff_t(below + i);
          pieces_.assign(from, from + std::ptrdiff_t(std::min(kPart, size - i)));
          sums_.push_back(total());
        }
        below += size;
      }
    }
    pyramid_ = first_[at];
  }
  void clear() { pieces_.clear(); }
  void add(float cost) { pieces_.push_back(cost); }
  template <class Side>
  void add(std::uint64_t from, std::uint64_t to, const Side& side) {
    climb(from - begin_, to - begin_, count_, pyramid_, [&](std::uint64_t i) { return side.cost(begin_ + i); });
  }
  float total() const {
    float least = kInfinity;
    for (const float piece : pieces_) least = std::min(least, piece);
    if (least == kInfinity) return least;
    float sum = 0;
    for (const float piece : pieces_) sum += std::exp(least - piece);
    return least - std::log(sum);
  }

 private:
  static constexpr std::uint64_t kPart = 16, kLeast = 64;
  // [from, to) of a level with `count` entries; the level above begins at `above`.
  template <class At>
  void climb(std::uint64_t from, std::uint64_t to, std::uint64_t count, std::uint64_t above, At at) {
    const auto take = [&](std::uint64_t i, std::uint64_t end) {
      for (; i < end; ++i) pieces_.push_back(at(i));
    };
    const std::uint64_t first = (from + kPart - 1) / kPart, last = to / kPart;
    if (count < kLeast || first >= last) return take(from, to);
    take(from, first * kPart);
    take(last * kPart, to);
    const std::uint64_t higher = (count + kPart - 1) / kPart;
    climb(first, last, higher, above + higher, Level{sums_.data() + above});
  }
  struct Level {
    const float* sums;
    float operator()(std::uint64_t i) const { return sums[i]; }
  };
  std::uint64_t begin_ = 0, count_ = 0, pyramid_ = 0;
  Numbering number_;
  std::vector<std::uint64_t> first_;  // of each state with many arcs, its pyramid
  std::vector<float> sums_, pieces_;
};

// Numbers what states are made of, in the order in which they come.
class AheadStates {
 public:
  struct Key {
    StateId a, b;
    std::uint32_t only_a : 1;   // epsilons of b are over until a label is read
    std::uint32_t pushed : 1;   // a label of b that a has still to come to
    std::uint32_t unused : 30;
    std::uint32_t value;        // that label, or the bits of the cost that has been paid
    bool operator==(const Key&) const = default;
  };
  StateId operator()(const Key& key) {
    if (index_.full()) index_.grow([&](std::uint32_t i) { return hash(keys_[i]); });
    const auto next = static_cast<std::uint32_t>(keys_.size());
    const std::uint32_t at = index_.find_or_add(hash(key), next, [&](std::uint32_t i) { return keys_[i] == key; });
    if (at == next) keys_.push_back(key);
    return StateId(at);
  }
  void prefetch(const Key& key) const { index_.prefetch(hash(key)); }
  const Key& operator[](StateId s) const { return keys_[std::size_t(s)]; }
  std::size_t size() const { return keys_.size(); }

 private:
  static std::uint64_t hash(const Key& key) {
    const std::uint64_t pair = std::uint64_t(std::uint32_t(key.a)) << 32 | std::uint32_t(key.b);
    return mixed(mixed(pair) ^ (std::uint64_t(key.value) << 2 | key.only_a << 1 | key.pushed));
  }
  HashIndex index_;
  std::vector<Key> keys_;
};

// See lookahead.h. `output`: a is the left side.
template <class W, class Side, bool output>
class Ahead final : public StateSource<W> {
  using Key = AheadStates::Key;

 public:
  Ahead(const Fst<W>& a, RightSide<W> b, Side side, std::shared_ptr<const Reachability> reach,
        const LookAheadOptions& options)
      : a_kept_(a), b_kept_(std::move(b)), a_(a.view()), b_(std::move(side)), reach_(std::move(reach)),
        options_(options), work_("composition with look-ahead", {}, 64, sizeof(Arc<W>)) {
    work_.what = "two automata of " + std::to_string(a_.num_states) + " and " + std::to_string(b_.num_states()) +
                 " states";
    if (a_.start != kNoState && b_.start() != kNoState) start_ = states_(Key{a_.start, b_.start(), 0, 0, 0, 0});
  }
  StateId start() override { return start_; }
  std::size_t known() const override { return states_.size(); }

  W final(StateId q) override {
    const Key key = states_[q];
    if (key.pushed) return W::zero();
    const W final_a = a_.states[key.a].final, final_b = b_.state(key.b).final;
    if (is_zero(final_a) || is_zero(final_b)) return W::zero();
    return {final_a.value + final_b.value - std::bit_cast<float>(key.value)};
  }

  void expand(StateId q, Array<Arc<W>>& arcs) override {
    key_ = states_[q];
    arcs_ = &arcs;
    keys_.clear();
    const std::size_t before = arcs.size();
    const auto all = a_.arcs_of(key_.a);
    const std::size_t epsilons = output ? a_.states[key_.a].oepsilons : a_.states[key_.a].iepsilons;
    if (key_.pushed) {
      go_to_label(all, epsilons);
    } else {
      b_.set(key_.b);
      state_b_ = b_.state(key_.b);
      paid_ = std::bit_cast<float>(key_.value);
      if (!key_.only_a) {
        for (const Arc<W>& arc : epsilons_of_b()) {
          add(0, other_of_b(arc), cost(arc) - paid_, {key_.a, arc.nextstate, 0, 0, 0, 0});
        }
      }
      if (epsilons && (state_b_.arcs != state_b_.iepsilons || !is_zero(state_b_.final))) {
        if (options_.push_weights) sums_.set(key_.b, b_);
        for (const Arc<W>& arc : all.first(epsilons)) look_ahead(arc);
      }
      match(all.subspan(epsilons));
    }
    for (std::size_t i = 0; i < keys_.size(); ++i) arcs[before + i].nextstate = states_(keys_[i]);
    work_.made(states_.size(), arcs.size());
  }

 private:
  static Label label_of_a(const Arc<W>& arc) { return output ? arc.olabel : arc.ilabel; }
  static Label other_of_a(const Arc<W>& arc) { return output ? arc.ilabel : arc.olabel; }
  static Label other_of_b(const Arc<W>& arc) { return output ? arc.olabel : arc.ilabel; }
  static float cost(const Arc<W>& arc) { return W(arc.weight).value; }
  std::span<const Arc<W>> epsilons_of_b() {
    if constexpr (requires { b_.epsilons(); }) {
      return b_.epsilons();
    } else {
      return b_.find(0);
    }
  }

  void add(Label of_a, Label of_b, float cost, const Key& to) {
    work_.step();
    states_.prefetch(to);
    keys_.push_back(to);
    arcs_->push_back({output ? of_a : of_b, output ? of_b : of_a, {cost}, kNoState});
  }

  // The label of b was taken: a goes on by epsilons that lead to it, until it is there.
  void go_to_label(std::span<const Arc<W>> all, std::size_t epsilons) {
    const auto label = static_cast<Label>(key_.value);
    for (const Arc<W>& arc : all.first(epsilons)) {
      if (!reach_->reaches(arc.nextstate, label)) continue;
      Key to = key_;
      to.a = arc.nextstate;
      add(other_of_a(arc), 0, cost(arc), to);
    }
    const auto labels = all.subspan(epsilons);
    auto at = std::ranges::lower_bound(labels, label, {}, label_of_a);
    for (; at != labels.end() && label_of_a(*at) == label; ++at) {
      add(other_of_a(*at), 0, cost(*at), {at->nextstate, key_.b, 0, 0, 0, 0});
    }
  }

  // a moves by an epsilon, b stays: what can come?
  void look_ahead(const Arc<W>& arc) {
    const Future future = future_of(arc.nextstate);
    if (future.kind == Future::kNone) return;
    if (future.kind == Future::kOne) {
      const Arc<W> next = b_.arc(future.first);
      const auto label = static_cast<std::uint32_t>(b_.label(future.first));
      add(other_of_a(arc), other_of_b(next), cost(arc) + cost(next) - paid_,
          {arc.nextstate, next.nextstate, 0, 1, 0, label});
      return;
    }
    add(other_of_a(arc), 0, cost(arc) + future.pay - paid_,
        {arc.nextstate, key_.b, state_b_.iepsilons != 0, 0, 0, std::bit_cast<std::uint32_t>(future.pay)});
  }

  struct Future {
    StateId a = kNoState, b = kNoState;
    enum Kind : std::uint32_t { kNone, kOne, kMore } kind = kNone;
    float pay = 0;            // of more
    std::uint64_t first = 0;  // the one
  };

  // States are met again soon, by their self-loops at once: the last answers are kept.
  const Future& future_of(StateId a) {
    const std::uint64_t pair = std::uint64_t(std::uint32_t(a)) << 32 | std::uint32_t(key_.b);
    Future& future = futures_[mixed(pair) % kFutures];
    if (future.a != a || future.b != key_.b) future = look(a);
    return future;
  }

  Future look(StateId a) {
    Future future{a, key_.b};
    const auto set = reach_->of(a);
    std::uint64_t count = 0;
    sums_.clear();
    const auto found = [&](std::uint64_t from, std::uint64_t to) {
      if (count == 0) future.first = from;
      count += to - from;
      if (options_.push_weights) sums_.add(from, to, b_);
    };
    if (b_.end() - b_.begin() < set.size() / 2) {
      for (std::uint64_t i = b_.begin(); i < b_.end(); ++i) {
        if (reach_->reaches(a, b_.label(i))) found(i, i + 1);
      }
    } else {
      std::uint64_t at = b_.begin();
      for (const Interval& interval : set) {
        if (at == b_.end()) break;
        const std::uint64_t from = b_.lower_bound(at, interval.begin);
        at = b_.lower_bound(from, interval.end);
        if (at != from) found(from, at);
      }
    }
    const bool last =
        !is_zero(state_b_.final) && reach_->final_label >= 0 && reach_->reaches(a, reach_->final_label);
    if (count == 0 && !last) return future;
    future.kind = count == 1 && !last && options_.push_labels ? Future::kOne : Future::kMore;
    if (future.kind == Future::kMore && options_.push_weights) {
      W pay{sums_.total()};
      if (last) pay = plus(pay, W(state_b_.final), NoStrings());  // as OpenFst adds it, the best one say
      future.pay = quantize(pay.value, kDelta) + 0.0f;            // one zero, not two
      if (future.pay == kInfinity) future.kind = Future::kNone;
    }
    return future;
  }

  // Both read a label. The side with fewer arcs is gone through.
  void match(std::span<const Arc<W>> of_a) {
    const std::uint64_t end = b_.end();
    std::uint64_t at = b_.begin();
    const auto both = [&](const Arc<W>& x, const Arc<W>& y) {
      add(other_of_a(x), other_of_b(y), cost(x) + cost(y) - paid_, {x.nextstate, y.nextstate, 0, 0, 0, 0});
    };
    if (of_a.size() <= end - at) {
      for (const Arc<W>& x : of_a) {
        if ((at = b_.lower_bound(at, label_of_a(x))) == end) break;
        for (std::uint64_t i = at; i < end && b_.label(i) == label_of_a(x); ++i) both(x, b_.arc(i));
      }
    } else {
      auto from = of_a.begin();
      for (; at < end && from != of_a.end(); ++at) {
        from = std::ranges::lower_bound(from, of_a.end(), b_.label(at), {}, label_of_a);
        if (from == of_a.end() || label_of_a(*from) != b_.label(at)) continue;
        const Arc<W> y = b_.arc(at);
        for (auto x = from; x != of_a.end() && label_of_a(*x) == b_.label(at); ++x) both(*x, y);
      }
    }
  }

  Fst<W> a_kept_;
  RightSide<W> b_kept_;
  View<W> a_;
  Side b_;
  std::shared_ptr<const Reachability> reach_;
  LookAheadOptions options_;
  AheadStates states_;
  Sums sums_;
  static constexpr std::size_t kFutures = 1 << 14;
  std::vector<Future> futures_ = std::vector<Future>(kFutures);
  Work work_;
  StateId start_ = kNoState;
  // Of the state that is being expanded.
  Key key_{};
  State<W> state_b_;
  float paid_ = 0;
  Array<Arc<W>>* arcs_ = nullptr;
  std::vector<Key> keys_;  // where they lead
};

}  // namespace

template <class W>
LazyFst<W> compose_ahead(const Fst<W>& left, const RightSide<W>& right, std::shared_ptr<const Reachability> reach,
                         const LookAheadOptions& ahead, const LazyOptions& options) {
  const auto made = [&]<bool output>(const Fst<W>& a, const RightSide<W>& b, auto side) {
    using Source = Ahead<W, decltype(side), output>;
    return LazyFst<W>(std::make_unique<Source>(a, b, std::move(side), reach, ahead), options);
  };
  const auto sorted = [](const Fst<W>& fst, Label Arc<W>::*label, const char* side, const char* by,
                         properties::Bits holds) {
    fst.check();
    if (fst.stored_properties() & holds) return;
    const View<W> view = fst.view();
    for (std::size_t s = 0; s < view.num_states; ++s) {
      Label before = 0;
      for (const Arc<W>& arc : view.arcs_of(StateId(s))) {
        if (arc.*label < before) {
          fst_error("look-ahead: the ", side, " automaton (", view.num_states, " states) is not sorted: state ", s,
                    " has the labels ", before, ", then ", Label(arc.*label), "; sort its arcs by '", by, "'");
        }
        before = arc.*label;
      }
    }
  };
  if (!reach->input) {
    reach->check(left);
    if (right.ngram) return made.template operator()<true>(left, right, NgramMatcher<W>(*right.ngram));
    sorted(right.fst, &Arc<W>::ilabel, "right", "ilabel", properties::kILabelSorted);
    return made.template operator()<true>(left, right, SortedArcs<W>(right.fst.view(), false));
  }
  if (right.ngram) fst_error("look-ahead by input labels of an n-gram automaton: expand it first");
  reach->check(right.fst);
  sorted(left, &Arc<W>::olabel, "left", "olabel", properties::kOLabelSorted);
  return made.template operator()<false>(right.fst, {left, {}}, SortedArcs<W>(left.view(), true));
}

template LazyFst<TropicalWeight> compose_ahead(const Fst<TropicalWeight>&, const RightSide<TropicalWeight>&,
                                               std::shared_ptr<const Reachability>, const LookAheadOptions&,
                                               const LazyOptions&);
template LazyFst<LogWeight> compose_ahead(const Fst<LogWeight>&, const RightSide<LogWeight>&,
                                          std::shared_ptr<const Reachability>, const LookAheadOptions&,
                                          const LazyOptions&);

}  // namespace sonant

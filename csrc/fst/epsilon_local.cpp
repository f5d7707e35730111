// Local removal of epsilons (Kaldi's fstext/remove-eps-local): each arc is looked at once, in the order of states and
// of their arcs, to whose end new arcs go.
#include "fst/builder.h"
#include "fst/epsilon.h"
#include "fst/structure.h"
#include "fst/work.h"
#include "fst/semiring_division.h"

namespace sonant {

namespace {

constexpr std::uint32_t kNone = 0xffffffff;

// Whether weights can move from one arc to those before it.
template <class W>
inline constexpr bool can_move = !has_strings<W> && W::floats < 3;

// The arcs in lists, so that they can go from one state to another.
template <class W>
class LocalRemoval {
 public:
  LocalRemoval(const View<W>& connected, bool keep_sums)
      : start_(connected.start), strings_(*connected.strings), keep_sums_(keep_sums),
        work_("local removal of epsilons", {}, sizeof(State<W>) + 16, sizeof(Link)) {
    const std::size_t n = connected.num_states;
    first_.assign(n, kNone);
    last_.assign(n, kNone);
    in_.assign(n, 0);
    out_.assign(n, 0);
    finals_.reserve(n);
    links_.reserve(connected.num_slots + connected.num_slots / 2);
    for (StateId s = 0; s < static_cast<StateId>(n); ++s) {
      finals_.push_back(connected.states[s].final);
      if (!is_zero(finals_.back())) ++out_[s];
      for (const Arc<W>& arc : connected.arcs_of(s)) append(s, arc);
    }
    if (n > 0) ++in_[start_];
  }

  // `bits`: what is known of the automaton.
  Fst<W> run(properties::Bits bits) {
    for (StateId s = 0; s < static_cast<StateId>(finals_.size()); ++s) {
      for (std::uint32_t a = first_[s]; a != kNone; a = links_[a].next) {
        work_.step();
        const StateId n = links_[a].arc.nextstate;
        if (n == kNoState || n == s) continue;
        if (in_[n] == 1 && out_[n] > 1) {
          take(s, a, n);
        } else if (out_[n] == 1) {
          skip(s, a, n);
        }
      }
    }
    return finish(changed_ ? kNothingKnown | properties::kAccessible | properties::kCoAccessible : bits);
  }

 private:
  struct Link {
    Arc<W> arc;  // nextstate: kNoState where it is gone
    std::uint32_t next;
  };

  void append(StateId s, const Arc<W>& arc) {
    const auto link = static_cast<std::uint32_t>(links_.size());
    links_.push_back({arc, kNone});
    (first_[s] == kNone ? first_[s] : links_[last_[s]].next) = link;
    last_[s] = link;
    ++out_[s];
    ++in_[arc.nextstate];
  }
  void remove(StateId s, std::uint32_t link) {
    --in_[links_[link].arc.nextstate];
    --out_[s];
    links_[link].arc.nextstate = kNoState;
    changed_ = true;
  }
  static bool is_epsilon(const Arc<W>& arc) { return arc.ilabel == 0 && arc.olabel == 0; }
  static bool can_join(const Arc<W>& a, const Arc<W>& b) {
    return (a.ilabel == 0 || b.ilabel == 0) && (a.olabel == 0 || b.olabel == 0);
  }
  Arc<W> both(const Arc<W>& a, const Arc<W>& b) {
    return {a.ilabel ? a.ilabel : b.ilabel, a.olabel ? a.olabel : b.olabel, times(W(a.weight), W(b.weight), strings_),
            b.nextstate};
  }
  // The path over `arc` may end where it leads.
  void end_at(StateId s, const Arc<W>& arc, const W& final) {
    if (is_zero(finals_[s])) ++out_[s];
    finals_[s] = plus(finals_[s], times(W(arc.weight), final, strings_), strings_);
    changed_ = true;
  }
  W sum(const W& a, const W& b) const {
    if constexpr (W::floats == 1) {
      if (keep_sums_) return {plus(LogWeight{a.value}, LogWeight{b.value}, strings_).value};
    }
    return plus(a, b, strings_);
  }

  // `a` alone leads to n: what can be joined with it moves to s.
  void take(StateId s, std::uint32_t a, StateId n) {
    const Arc<W> arc = links_[a].arc;
    W gone = W::zero(), kept = W::zero();
    moved_.clear();
    for (std::uint32_t b = first_[n]; b != kNone; b = links_[b].next) {
      const Arc<W> next = links_[b].arc;
      if (next.nextstate == kNoState) continue;
      if (!can_join(arc, next)) {
        kept = sum(kept, next.weight);
        continue;
      }
      gone = sum(gone, next.weight);
      remove(n, b);
      moved_.push_back(both(arc, next));
    }
    if (const W final = finals_[n]; !is_zero(final)) {
      if (is_epsilon(arc)) {
        gone = sum(gone, final);
        end_at(s, arc, final);
        finals_[n] = W::zero();
        --out_[n];
      } else {
        kept = sum(kept, final);
      }
    }
    if (!is_zero(gone)) {
      if (is_zero(kept)) {
        remove(s, a);
      } else if constexpr (can_move<W>) {
        share(a, n, divide(kept, sum(gone, kept), Side::kLeft, strings_));
      }
    }
    for (const Arc<W>& joined : moved_) append(s, joined);
  }

  // The part of n's paths that is left goes on the arc to it, and off what leaves it.
  void share(std::uint32_t a, StateId n, const W& part) {
    links_[a].arc.weight = times(W(links_[a].arc.weight), part, strings_);
    for (std::uint32_t b = first_[n]; b != kNone; b = links_[b].next) {
      Arc<W>& next = links_[b].arc;
      if (next.nextstate != kNoState) next.weight = divide(W(next.weight), part, Side::kLeft, strings_);
    }
    if (!is_zero(finals_[n])) finals_[n] = divide(finals_[n], part, Side::kLeft, strings_);
  }

  // There is but one way on from n: `a` goes on to where that leads.
  void skip(StateId s, std::uint32_t a, StateId n) {
    const Arc<W> arc = links_[a].arc;
    const bool last = in_[n] == 1;  // nothing else leads to n
    if (const W final = finals_[n]; !is_zero(final)) {
      if (!is_epsilon(arc)) return;
      end_at(s, arc, final);
      if (last) {
        finals_[n] = W::zero();
        --out_[n];
      }
    } else {
      std::uint32_t b = first_[n];
      while (links_[b].arc.nextstate == kNoState) b = links_[b].next;
      const Arc<W> next = links_[b].arc;
      if (!can_join(arc, next)) return;
      if (last) remove(n, b);
      append(s, both(arc, next));
    }
    remove(s, a);
  }

  Fst<W> finish(properties::Bits bits) {
    FstBuilder<W> result;
    result.states.reserve(finals_.size());
    result.arcs.reserve(links_.size());
    for (StateId s = 0; s < static_cast<StateId>(finals_.size()); ++s) {
      result.open(finals_[s]);
      for (std::uint32_t a = first_[s]; a != kNone; a = links_[a].next) {
        if (links_[a].arc.nextstate != kNoState) result.add(links_[a].arc);
      }
    }
    result.start = start_;
    result.strings = std::move(strings_);
    links_ = {};
    if (changed_) connect(result, work_);
    return result.finish(bits);
  }

  const StateId start_;
  StringsOf<W> strings_;
  const bool keep_sums_;
  Array<Link> links_;
  Array<std::uint32_t> first_, last_;
  Array<std::uint32_t> in_, out_;  // arcs; being the start, or final, counts as one
  Array<W> finals_;
  std::vector<Arc<W>> moved_;
  bool changed_ = false;
  Work work_;
};

}  // namespace

template <class W>
Fst<W> remove_epsilons_locally(Fst<W> fst, bool keep_sums) {
  fst = connect(fst);  // of what leads nowhere some arcs could go round for ever
  const properties::Bits bits = fst.stored_properties();
  LocalRemoval<W> removal(fst.view(), keep_sums);
  fst = {};
  return removal.run(bits);
}

#define SONANT_INSTANTIATE(W) template Fst<W> remove_epsilons_locally(Fst<W>, bool);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

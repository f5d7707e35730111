// Kaldi's predeterminization. A state that several arcs come to (being the start counts as one) may only ever stand
// alone in a subset, so the arcs to it get labels of their own where other arcs could be taken in their place. The
// others fall into disjoint sets, each of which one label leads to from one set before it.
#include <algorithm>

#include "fst/builder.h"
#include "fst/special.h"
#include "fst/walk.h"
#include "pair_map.h"

namespace sonant {

namespace {

// With one final state, without arcs and at no cost.
template <class W>
Fst<W> with_one_final(const Fst<W>& fst) {
  const View<W> view = fst.view();
  std::vector<StateId> finals;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    if (!is_zero(W(view.states[s].final))) finals.push_back(s);
  }
  if (finals.size() == 1 && is_one(W(view.states[finals[0]].final)) && view.states[finals[0]].arcs == 0) return fst;
  FstBuilder<W> made;
  const auto last = static_cast<StateId>(view.num_states);
  for (StateId s = 0; s < last; ++s) {
    made.open();
    for (const Arc<W>& arc : view.arcs_of(s)) made.add(arc);
    if (!is_zero(W(view.states[s].final))) made.add({0, 0, view.states[s].final, last});
  }
  made.open(W::one());
  made.start = view.start;
  return made.finish();
}

template <class W>
class Predeterminization {
 public:
  explicit Predeterminization(const Fst<W>& fst) : fst_(with_one_final(fst)) {
    fst_.sort_arcs(false);
    view_ = fst_.view();
    alone_.assign(view_.num_states, 0);
    std::vector<char> seen(view_.num_states, 0);
    seen[view_.start] = 1;
    for (StateId s = 0; s < StateId(view_.num_states); ++s) {
      for (const Arc<W>& arc : view_.arcs_of(s)) {
        if (seen[arc.nextstate]) alone_[arc.nextstate] = 1;
        seen[arc.nextstate] = 1;
      }
    }
    extra_.assign(view_.num_slots, kNone);
    done_.assign(view_.num_states, 0);
    in_.assign(view_.num_states, 0);
  }

  Fst<W> run(Label first_new, Label& added) {
    if (!alone_[view_.start]) start_from({view_.start});
    for (StateId s = 0; s < StateId(view_.num_states); ++s) {
      if (alone_[s]) start_from({s});
    }
    while (!queue_.empty()) {
      const Set set = std::move(queue_.back());
      queue_.pop_back();
      expand(set);
    }
    added = most_ + 1;
    if (std::int64_t(first_new) + added > 0x7fffffff) fst_error("predeterminization: there are no labels left");
    return finish(first_new);
  }

 private:
  static constexpr Label kNone = -1;
  struct Set {
    std::vector<StateId> states;
    Label used;  // labels that were added on the way to it
  };
  struct Way {
    Label label;
    std::uint32_t arc;  // in the table
  };

  // Follows input epsilons to states that need not stand alone.
  void close(std::vector<StateId>& states) {
    for (const StateId s : states) in_[s] = 1;
    for (std::size_t i = 0; i < states.size(); ++i) {
      for (const Arc<W>& arc : view_.arcs_of(states[i])) {
        if (arc.ilabel != 0) break;
        if (alone_[arc.nextstate] || in_[arc.nextstate]) continue;
        in_[arc.nextstate] = 1;
        states.push_back(arc.nextstate);
      }
    }
    for (const StateId s : states) in_[s] = 0;
    std::ranges::sort(states);
  }
  void start_from(std::vector<StateId> states, Label used = 0) {
    close(states);
    if (done_[states[0]]) return;
    for (const StateId s : states) done_[s] = 1;
    queue_.push_back({std::move(states), used});
  }
  void mark(const Way& way, Label extra) {
    extra_[way.arc] = extra;
    most_ = std::max(most_, extra);
  }

  void expand(const Set& set) {
    std::vector<Way> ways;
    for (const StateId s : set.states) {
      const State<W>& state = view_.states[s];
      const std::uint32_t end = state.begin + state.arcs;
      for (std::uint32_t at = state.begin; at < end; ++at) ways.push_back({view_.arcs[at].ilabel, at});
    }
    std::ranges::stable_sort(ways, [](const Way& a, const Way& b) { return a.label < b.label; });
    Label used = set.used;
    for (std::size_t i = 0; i < ways.size();) {
      std::size_t end = i;
      while (end < ways.size() && ways[end].label == ways[i].label) ++end;
      work_.step();
      std::vector<StateId> next;
      Label k = 0;
      for (; i < end; ++i) {
        const StateId to = view_.arcs[ways[i].arc].nextstate;
        if (ways[i].label == 0) {
          if (alone_[to]) mark(ways[i], used++);
        } else if (!alone_[to]) {
          next.push_back(to);
        } else {
          pending_.push_back(ways[i]);
        }
      }
      const std::size_t group = pending_.size() + next.size();
      for (const Way& way : pending_) {
        if (group > 1) mark(way, k++);
      }
      pending_.clear();
      if (!next.empty()) start_from(std::move(next), k);
    }
  }

  Fst<W> finish(Label first_new) {
    FstBuilder<W> made;
    struct Added {
      Label label;
      StateId to;
    };
    std::vector<Added> states;
    PairMap number;
    for (StateId s = 0; s < StateId(view_.num_states); ++s) {
      made.open(view_.states[s].final);
      for (std::uint32_t i = 0; i < view_.states[s].arcs; ++i) {
        const std::uint32_t at = view_.states[s].begin + i;
        Arc<W> arc = view_.arcs[at];
        if (extra_[at] != kNone) {
          const Label label = first_new + extra_[at];
          if (arc.ilabel == 0) {
            arc.ilabel = label;
          } else {
            const auto next = static_cast<StateId>(view_.num_states + states.size());
            const StateId found = number.put(std::uint32_t(arc.nextstate), std::uint32_t(label), next);
            if (found == next) states.push_back({label, arc.nextstate});
            arc.nextstate = found;
          }
        }
        made.add(arc);
      }
    }
    for (const Added& state : states) {
      made.open();
      made.add({state.label, 0, W::one(), state.to});
    }
    made.start = view_.start;
    return made.finish();
  }

  Fst<W> fst_;
  View<W> view_;
  std::vector<char> alone_, done_, in_;
  std::vector<Label> extra_;  // of each arc, counted from 0
  Label most_ = kNone;
  std::vector<Set> queue_;
  std::vector<Way> pending_;
  Work work_{"predeterminization", {}, 1, 1};
};

}  // namespace

template <class W>
Fst<W> predeterminize(const Fst<W>& fst, Label first_new, Label& added) {
  const View<W> view = fst.view();
  added = 0;
  if (view.start == kNoState) return fst;
  const Walk walked = walk(view);
  if (!walked.all_accessible || !walked.all_coaccessible) {
    fst_error("predeterminization of an automaton of ", view.num_states,
              " states that is not connected: connect it first");
  }
  return Predeterminization<W>(fst).run(first_new, added);
}

template Fst<TropicalWeight> predeterminize(const Fst<TropicalWeight>&, Label, Label&);
template Fst<LogWeight> predeterminize(const Fst<LogWeight>&, Label, Label&);

}  // namespace sonant

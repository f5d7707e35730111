#include "fst/replace.h"

#include <unordered_map>

#include "fst/builder.h"

namespace sonant {

namespace {

constexpr std::int32_t kNothing = -1;

template <class W>
class Network {
 public:
  Network(const std::vector<Callable<W>>& automata, Label root, const ReplaceOptions& options)
      : options_(options), work_("replacement", options.bounds, sizeof(State<W>) + 32, sizeof(Arc<W>)) {
    work_.what = std::to_string(automata.size()) + " automata";
    std::size_t states = 0;
    for (const Callable<W>& callable : automata) {
      if (callable.name <= 0) fst_error("replacement: an automaton has the label ", callable.name, "; expected 1 or more");
      if (!places_.emplace(callable.name, std::int32_t(names_.size())).second) {
        fst_error("replacement: two automata have the label ", callable.name, "; expected one for each label");
      }
      names_.push_back(callable.name);
      views_.push_back(callable.fst.view());
      firsts_.push_back(static_cast<std::uint32_t>(states));
      shifts_.push_back(append_strings<W>(result_.strings, *views_.back().strings));
      states += views_.back().num_states;
      if (states > kMostStates) fst_error("replacement: the automata have more than ", kMostStates, " states together");
    }
    for (std::size_t f = 0; f < views_.size(); ++f) of_state_.insert(of_state_.end(), views_[f].num_states, std::int32_t(f));
    root_ = called(root);
    if (root_ == kNothing) fst_error("replacement: no automaton has the root label ", root);
    if (options.max_depth == 0) check_calls();
  }

  Fst<W> run() {
    if (views_[root_].start == kNoState) return result_.finish();
    result_.start = number(0, firsts_[root_] + std::uint32_t(views_[root_].start));
    for (std::size_t i = 0; i < tuples_.size(); ++i) {
      expand(static_cast<std::uint32_t>(tuples_.key(i) >> 32), static_cast<std::uint32_t>(tuples_.key(i)));
      work_.made(tuples_.size(), result_.arcs.size());
    }
    return result_.finish();
  }

 private:
  std::int32_t called(Label label) const {
    if (label <= 0) return kNothing;
    const auto found = places_.find(label);
    return found == places_.end() ? kNothing : found->second;
  }

  // Depth first along the calls.
  void check_calls() const {
    struct Frame {
      std::int32_t automaton;
      std::vector<std::int32_t> calls;
    };
    enum : char { kNew, kOpen, kDone };
    std::vector<char> seen(views_.size(), kNew);
    std::vector<Frame> path;
    const auto enter = [&](std::int32_t f) {
      seen[f] = kOpen;
      path.push_back({f, {}});
      std::vector<char> has(views_.size(), 0);
      for (std::size_t s = 0; s < views_[f].num_states; ++s) {
        for (const Arc<W>& arc : views_[f].arcs_of(StateId(s))) {
          const std::int32_t to = called(arc.olabel);
          if (to == kNothing || has[to]) continue;
          has[to] = 1;
          path.back().calls.push_back(to);
        }
      }
    };
    enter(root_);
    while (!path.empty()) {
      if (path.back().calls.empty()) {
        seen[path.back().automaton] = kDone;
        path.pop_back();
        continue;
      }
      const std::int32_t to = path.back().calls.back();
      path.back().calls.pop_back();
      if (seen[to] == kNew) {
        enter(to);
      } else if (seen[to] == kOpen) {
        std::string through;
        std::size_t first = path.size();
        while (path[first - 1].automaton != to) --first;
        for (std::size_t i = first; i < path.size(); ++i) through += " " + std::to_string(names_[path[i].automaton]) + ",";
        if (!through.empty()) through.pop_back();
        fst_error("replacement of ", work_.what, ": the automaton of label ", names_[to], " calls itself",
                  through.empty() ? "" : " through", through,
                  "; the result would have no end. Take the cycle away, or give max_depth");
      }
    }
  }

  StateId number(std::uint32_t stack, std::uint32_t state) {
    return static_cast<StateId>(tuples_(std::uint64_t(stack) << 32 | state));
  }
  // The stack with a state on it. The empty one is 0.
  std::uint32_t pushed(std::uint32_t stack, std::uint32_t state) {
    const std::uint32_t id = stacks_(std::uint64_t(stack) << 32 | state) + 1;
    if (id == depths_.size()) depths_.push_back(depths_[stack] + 1);
    return id;
  }

  void expand(std::uint32_t stack, std::uint32_t state) {
    const std::int32_t f = of_state_[state];
    const auto s = static_cast<StateId>(state - firsts_[f]);
    const W final = shifted(W(views_[f].states[s].final), shifts_[f]);
    result_.open(stack == 0 ? final : W::zero());
    if (stack != 0 && !is_zero(final)) {
      const std::uint64_t top = stacks_.key(stack - 1);
      result_.add({options_.return_input ? options_.return_label : 0, options_.return_output ? options_.return_label : 0,
                   final, number(std::uint32_t(top >> 32), std::uint32_t(top))});
    }
    for (Arc<W> arc : views_[f].arcs_of(s)) {
      work_.step();
      arc.weight = shifted(W(arc.weight), shifts_[f]);
      const std::uint32_t next = firsts_[f] + std::uint32_t(arc.nextstate);
      const std::int32_t to = called(arc.olabel);
      if (to == kNothing) {
        arc.nextstate = number(stack, next);
      } else {
        if (views_[to].start == kNoState || (options_.max_depth && depths_[stack] >= options_.max_depth)) continue;
        arc.nextstate = number(pushed(stack, next), firsts_[to] + std::uint32_t(views_[to].start));
        if (!options_.call_input) arc.ilabel = 0;
        if (!options_.call_output) arc.olabel = 0;
      }
      result_.add(arc);
    }
  }

  const ReplaceOptions options_;
  Work work_;
  std::unordered_map<Label, std::int32_t> places_;
  std::vector<Label> names_;
  std::vector<View<W>> views_;
  std::vector<std::uint32_t> firsts_, shifts_;
  std::vector<std::int32_t> of_state_;
  std::int32_t root_ = kNothing;
  Numbering tuples_;  // (stack, state)
  Numbering stacks_;  // (stack below, state to come back to)
  std::vector<std::uint32_t> depths_ = {0};
  FstBuilder<W> result_;
};

}  // namespace

template <class W>
Fst<W> replace(const std::vector<Callable<W>>& automata, Label root, const ReplaceOptions& options) {
  return Network<W>(automata, root, options).run();
}

#define SONANT_INSTANTIATE(W) \
  template Fst<W> replace(const std::vector<Callable<W>>&, Label, const ReplaceOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

#include <array>

#include "fst/builder.h"
#include "fst/special.h"
#include "fst/walk.h"

namespace sonant {

namespace {

// glibc's rand(): x[i] = x[i - 3] + x[i - 31], whose seeds come from a linear congruence; the lowest bit is dropped
// (the additive feedback generator of random(3) with 31 words of state).
class GlibcRandom {
 public:
  explicit GlibcRandom(std::uint32_t seed) {
    std::int64_t word = seed ? std::int32_t(seed) : 1;
    state_[0] = std::uint32_t(word);
    for (std::size_t i = 1; i < state_.size(); ++i) {
      word = 16807 * (word % 127773) - 2836 * (word / 127773);
      if (word < 0) word += 2147483647;
      state_[i] = std::uint32_t(word);
    }
    for (int i = 0; i < 310; ++i) (*this)();
  }
  std::uint32_t operator()() {
    state_[front_] += state_[back_];
    const std::uint32_t result = state_[front_] >> 1;
    front_ = (front_ + 1) % state_.size();
    back_ = (back_ + 1) % state_.size();
    return result;
  }
  // 0 to count - 1; one that is sure costs no number.
  std::uint32_t below(std::uint32_t count) { return count == 1 ? 0 : (*this)() % count; }

 private:
  std::array<std::uint32_t, 31> state_{};
  std::size_t front_ = 3, back_ = 0;
};

using StdArc = Arc<TropicalWeight>;

}  // namespace

StdFst equal_align(const StdFst& fst, std::int64_t length, std::uint32_t seed, int retries) {
  const View<TropicalWeight> view = fst.view();
  if (length < 0) fst_error("equal_align to length=", length, "; expected 0 or more");
  if (view.start == kNoState) fst_error("equal_align of an automaton without a start state");
  if (!walk(view).all_coaccessible) {
    fst_error("equal_align of an automaton of ", view.num_states,
              " states, some of which lead to no final state: connect it first");
  }
  GlibcRandom random(seed);
  Work work("equal_align", {}, sizeof(StateId), sizeof(StdArc));
  std::vector<StateId> path;
  std::vector<const StdArc*> taken;
  std::int64_t labels = 0, least = -1;
  for (int attempt = 0; attempt == 0 || (attempt < retries && labels > length); ++attempt) {
    path.assign(1, view.start);
    taken.clear();
    labels = 0;
    while (true) {
      work.step();
      const StateId s = path.back();
      const auto arcs = view.arcs_of(s);
      const std::uint32_t ways = std::uint32_t(arcs.size()) + !is_zero(TropicalWeight(view.states[s].final));
      const std::uint32_t way = random.below(ways);
      if (way == arcs.size()) break;
      if (arcs[way].nextstate == s) continue;
      taken.push_back(&arcs[way]);
      path.push_back(arcs[way].nextstate);
      labels += arcs[way].ilabel != 0;
      work.made(path.size(), taken.size());
    }
    if (least < 0 || labels < least) least = labels;
  }
  if (labels > length) {
    fst_error("equal_align: of ", retries, " random paths the shortest has ", least,
              " input labels, which is more than length=", length, "; the utterance is too short for its transcript");
  }
  std::vector<const StdArc*> loops(path.size(), nullptr);
  std::int64_t looping = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    for (const StdArc& arc : view.arcs_of(path[i])) {
      if (arc.nextstate != path[i] || arc.ilabel == 0) continue;
      loops[i] = &arc;
      ++looping;
      break;
    }
  }
  const std::int64_t missing = length - labels;
  if (missing && looping == 0) {
    fst_error("equal_align: a path of ", labels, " input labels has no self-loop that would bring it to length=",
              length);
  }
  work.made(std::size_t(length), std::size_t(length));
  const std::int64_t each = looping ? missing / looping : 0;
  std::int64_t one_more = missing - each * looping;
  FstBuilder<TropicalWeight> made;
  made.start = made.open();
  const auto add = [&](const StdArc& arc) {
    StdArc copy = arc;
    copy.nextstate = static_cast<StateId>(made.states.size());
    made.add(copy);
    made.open();
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    std::int64_t rounds = loops[i] ? each : 0;
    if (loops[i] && one_more > 0) {
      ++rounds;
      --one_more;
    }
    for (; rounds > 0; --rounds) add(*loops[i]);
    if (i < taken.size()) add(*taken[i]);
  }
  made.states.back().final = view.states[path.back()].final;
  return made.finish();
}

}  // namespace sonant

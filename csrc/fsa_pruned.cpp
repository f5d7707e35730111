#include "fsa_pruned.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "fst_error.h"
#include "pool.h"

namespace sonant {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();
// The backward pass is done every so many frames, over twice as many.
constexpr std::size_t kPruneEvery = 20;
// So that a beam that grew for long can come back.
constexpr double kWidest = 1e10;
// Frames at the end in which less is cut off.
constexpr std::int32_t kLastOnes = 4;
// How many states ahead the arcs of a state are asked for.
constexpr std::size_t kAhead = 6;

// Numbers states in the order in which they come; open addressing. Emptied in the time of what is in it.
class ActiveStates {
 public:
  std::int32_t find(std::int32_t state) const {
    for (std::size_t i = place(state);; i = (i + 1) & mask()) {
      if (slots_[i].number < 0 || slots_[i].state == state) return slots_[i].number;
    }
  }
  // The number of the state, which is count() before the call where it is new.
  std::int32_t number(std::int32_t state) {
    for (std::size_t i = place(state);; i = (i + 1) & mask()) {
      if (slots_[i].number < 0) {
        slots_[i] = {state, std::int32_t(used_.size())};
        used_.push_back(std::uint32_t(i));
        if (2 * used_.size() > slots_.size()) grow();
        return std::int32_t(used_.size()) - 1;
      }
      if (slots_[i].state == state) return slots_[i].number;
    }
  }
  void clear() {
    for (const std::uint32_t i : used_) slots_[i].number = -1;
    used_.clear();
  }
  void prefetch(std::int32_t state) const { __builtin_prefetch(&slots_[place(state)]); }

 private:
  struct Slot {
    std::int32_t state, number;
  };
  std::size_t mask() const { return slots_.size() - 1; }
  std::size_t place(std::int32_t state) const { return (std::uint32_t(state) * 2654435769u) >> shift_; }
  void grow() {
    std::vector<Slot> before(2 * slots_.size(), Slot{0, -1});
    before.swap(slots_);
    --shift_;
    for (const std::uint32_t place_before : used_) {
      const Slot slot = before[place_before];
      std::size_t i = place(slot.state);
      while (slots_[i].number >= 0) i = (i + 1) & mask();
      slots_[i] = slot;
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].number >= 0) used_[std::size_t(slots_[i].number)] = std::uint32_t(i);
    }
  }
  std::vector<Slot> slots_{256, Slot{0, -1}};
  int shift_ = 24;
  std::vector<std::uint32_t> used_;
};

}  // namespace

template <class T>
struct SearchSpace {
  ActiveStates active;
  std::vector<TakenArc<T>> candidates;
};

template <class T>
SearchGraphs<T>::SearchGraphs(const FsaGraphs& graphs, const T* scores) : graphs(graphs), scores(scores) {
  graphs.check("intersect_dense_pruned");
  T highest = -std::numeric_limits<T>::infinity();
  bool numbers = true;
  const std::size_t arcs = graphs.arcs.size() / 4;
  for (std::size_t arc = 0; arc < arcs; ++arc) {
    const T score = scores[arc];
    numbers &= score < std::numeric_limits<T>::infinity();
    highest = std::max(highest, score);
    highest_label = std::max(highest_label, graphs.arcs[4 * arc + 2]);
  }
  if (!numbers) {
    for (std::size_t arc = 0; arc < arcs; ++arc) {
      if (scores[arc] < std::numeric_limits<T>::infinity()) continue;
      fst_error("intersect_dense_pruned: the score of arc ", arc, " is ", scores[arc], ", expected a number or -inf");
    }
  }
  highest_score = double(highest);
}

template <class T>
void SearchGraphs<T>::check_columns(std::size_t columns) const {
  if (std::int64_t(highest_label) < std::int64_t(columns) - 1) return;
  fst_error("intersect_dense_pruned: label ", highest_label, " in the automata, and the network has ",
            std::int64_t(columns) - 1, " classes, 0 to ", std::int64_t(columns) - 2);
}

template <class T>
PrunedStream<T>::PrunedStream(const SearchGraphs<T>& a, std::int32_t a_fsa, const PrunedBeams& beams)
    : a_fsa_(a_fsa), beams_(beams), beam_(beams.search) {
  if (a.graphs.fsa_splits[a_fsa + 1] - a.graphs.fsa_splits[a_fsa] < 2) return;
  states_ = {0};
  forward_ = {0};
}

template <class T>
void PrunedStream<T>::adapt_beam(bool last_ones) {
  const auto active = double(states_.size());
  const double least = std::max(double(beams_.min_active), last_ones ? double(beams_.max_active) / 2 : 0);
  if (active > double(beams_.max_active)) {
    if (!last_ones) beam_ = 0.8 * std::min(beam_, beams_.search);
  } else if (active < least && active > 0) {
    beam_ = std::min(1.25 * std::max(beam_, beams_.search), kWidest);
  } else {
    beam_ = 0.8 * beam_ + 0.2 * beams_.search;
  }
}

// Ends the current frame with the arcs taken from its states.
template <class T>
void PrunedStream<T>::complete(std::vector<TakenArc<T>> arcs, std::vector<std::int32_t> states,
                               std::vector<double> forward) {
  arcs_ += arcs.size();
  auto frame = std::make_shared<Frame>();
  frame->forward = std::move(forward_);
  frame->arcs = std::move(arcs);
  frames_.push_back(std::move(frame));
  states_ = std::move(states);
  forward_ = std::move(forward);
}

template <class T>
void PrunedStream<T>::step(const SearchGraphs<T>& a, const T* row, std::size_t columns, bool last_ones,
                           SearchSpace<T>& space, Work& work) {
  adapt_beam(last_ones);
  T highest = -std::numeric_limits<T>::infinity();
  bool numbers = true;
  for (std::size_t c = 0; c < columns; ++c) {
    numbers &= row[c] < std::numeric_limits<T>::infinity();
    highest = std::max(highest, row[c]);
  }
  if (!numbers) {
    const T* wrong = std::find_if(row, row + columns, [](T x) { return !(x < std::numeric_limits<T>::infinity()); });
    fst_error("intersect_dense_pruned: the score of label ", wrong - row - 1, " at frame ", frames_.size(), " is ", *wrong,
              ", expected a number or -inf");
  }
  const double best_step = double(highest) + a.highest_score;
  const std::int32_t* arcs = a.graphs.arcs.data();
  const std::int32_t* splits = a.graphs.state_splits.data() + a.graphs.fsa_splits[a_fsa_];
  const std::vector<double>& forward = forward_;
  const auto score_of = [&](std::int32_t arc) {
    return a.scores[arc] + row[std::size_t(arcs[4 * std::size_t(arc) + 2] + 1)];
  };

  // The best state's arcs first, which tell what can be passed over.
  double best = kNone;
  if (!forward.empty()) {
    const auto s = std::size_t(std::max_element(forward.begin(), forward.end()) - forward.begin());
    for (std::int32_t arc = splits[states_[s]]; arc < splits[states_[s] + 1]; ++arc) {
      best = std::max(best, forward[s] + double(score_of(arc)));
    }
  }
  // An arc that ends below the beam stays only with a state that another arc took there, and within the output beam of it.
  const double reach = beam_ + beams_.output;
  double low = best - reach;
  std::vector<TakenArc<T>>& candidates = space.candidates;
  candidates.clear();
  std::size_t looked_at = 0;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    if (s + kAhead < states_.size()) {
      __builtin_prefetch(&splits[states_[s + kAhead]]);
      __builtin_prefetch(&arcs[4 * std::size_t(splits[states_[s + kAhead / 2]])]);
      __builtin_prefetch(&a.scores[splits[states_[s + kAhead / 2]]]);
    }
    const double here = forward[s];
    if (!(here + best_step > low)) continue;
    const std::int32_t end = splits[states_[s] + 1];
    looked_at += std::size_t(end - splits[states_[s]]);
    for (std::int32_t arc = splits[states_[s]]; arc < end; ++arc) {
      const T score = score_of(arc);
      const double there = here + double(score);
      if (!(there > low)) continue;
      candidates.push_back({arc, std::int32_t(s), arcs[4 * std::size_t(arc) + 1], score});
      if (there > best) {
        best = there;
        low = best - reach;
      }
    }
  }
  work.steps(looked_at + states_.size());

  // States of the next frame, by the first arc that ends there above the beam. Other arcs keep their state for now, as
  // its complement.
  const double cutoff = best - beam_;
  ActiveStates& active = space.active;
  std::vector<std::int32_t> states;
  std::vector<double> next;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i + 8 < candidates.size()) active.prefetch(candidates[i + 8].to);
    TakenArc<T>& arc = candidates[i];
    const double there = forward[std::size_t(arc.from)] + double(arc.score);
    if (!(there > cutoff)) {
      arc.to = ~arc.to;
      continue;
    }
    const std::int32_t number = active.number(arc.to);
    if (std::size_t(number) == states.size()) {
      states.push_back(arc.to);
      next.push_back(there);
    } else {
      next[std::size_t(number)] = std::max(next[std::size_t(number)], there);
    }
    arc.to = number;
  }
  std::size_t kept = 0;
  for (TakenArc<T>& arc : candidates) {
    const double there = forward[std::size_t(arc.from)] + double(arc.score);
    if (arc.to < 0) {
      if (there < low) continue;  // as the best got better meanwhile
      arc.to = active.find(~arc.to);
      if (arc.to < 0) continue;
    }
    if (there - next[std::size_t(arc.to)] >= -beams_.output) candidates[kept++] = arc;
  }
  active.clear();
  complete({candidates.begin(), candidates.begin() + std::ptrdiff_t(kept)}, std::move(states), std::move(next));
  work.made(frames_.size(), arcs_);
  if (frames_.size() % kPruneEvery == 0) prune(frames_.size() - std::min(frames_.size(), 2 * kPruneEvery), work);
}

template <class T>
void PrunedStream<T>::prune(std::size_t begin, Work& work) {
  std::vector<double> after(forward_), before;
  for (double& score : after) score = -score;
  std::vector<std::int32_t> number(after.size()), number_before;
  std::iota(number.begin(), number.end(), 0);
  for (std::size_t t = frames_.size(); t-- > begin;) {
    const Frame& frame = *frames_[t];
    auto kept = std::make_shared<Frame>();
    kept->arcs.reserve(frame.arcs.size());
    before.assign(frame.forward.size(), kNone);
    for (TakenArc<T> arc : frame.arcs) {
      const double rest = after[std::size_t(arc.to)] + double(arc.score);
      if (rest == kNone || rest + frame.forward[std::size_t(arc.from)] < -beams_.output) continue;
      before[std::size_t(arc.from)] = std::max(before[std::size_t(arc.from)], rest);
      arc.to = number[std::size_t(arc.to)];
      kept->arcs.push_back(arc);
    }
    work.steps(frame.arcs.size());
    // States without a way on go, but for those of the first frame, whose numbers the frame before it knows.
    number_before.assign(before.size(), 0);
    for (std::size_t s = 0; s < before.size(); ++s) {
      number_before[s] = std::int32_t(kept->forward.size());
      if (t == begin || before[s] > kNone) kept->forward.push_back(frame.forward[s]);
    }
    for (TakenArc<T>& arc : kept->arcs) arc.from = number_before[std::size_t(arc.from)];
    kept->arcs.shrink_to_fit();
    arcs_ -= frame.arcs.size() - kept->arcs.size();
    frames_[t] = std::move(kept);
    after.swap(before);
    number.swap(number_before);
  }
}

template <class T>
void PrunedStream<T>::advance(const SearchGraphs<T>& a, const T* rows, std::size_t columns, std::int32_t count,
                              SearchSpace<T>& space, Work& work) {
  if (waiting_ > 0 && rows_.size() != std::size_t(waiting_) * columns) {
    fst_error("OnlineDenseIntersecter: a chunk of ", columns - 1, " classes after one of ",
              rows_.size() / std::size_t(waiting_) - 1, ", expected as many");
  }
  const std::int32_t ready = std::max(waiting_ + count - kLastOnes, 0);
  for (std::int32_t t = 0; t < ready; ++t) {
    const T* row = t < waiting_ ? rows_.data() + std::size_t(t) * columns : rows + std::size_t(t - waiting_) * columns;
    step(a, row, columns, false, space, work);
  }
  rows_.erase(rows_.begin(), rows_.begin() + std::ptrdiff_t(std::size_t(std::min(ready, waiting_)) * columns));
  rows_.insert(rows_.end(), rows + std::size_t(std::max(ready - waiting_, 0)) * columns, rows + std::size_t(count) * columns);
  waiting_ += count - ready;
}

// The step over label -1, which scores 0, from all active states.
template <class T>
void PrunedStream<T>::end(const SearchGraphs<T>& a, Work& work) {
  const std::int32_t* splits = a.graphs.state_splits.data() + a.graphs.fsa_splits[a_fsa_];
  std::vector<TakenArc<T>> arcs;
  double best = kNone;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    for (std::int32_t arc = splits[states_[s]]; arc < splits[states_[s] + 1]; ++arc) {
      if (a.graphs.arcs[4 * std::size_t(arc) + 2] != -1 || double(a.scores[arc]) == kNone) continue;
      arcs.push_back({arc, std::int32_t(s), 0, a.scores[arc]});
      best = std::max(best, forward_[s] + double(a.scores[arc]));
    }
  }
  if (arcs.empty() && beams_.allow_partial) {
    for (std::size_t s = 0; s < states_.size(); ++s) {
      arcs.push_back({-1, std::int32_t(s), 0, T(0)});
      best = std::max(best, forward_[s]);
    }
  }
  const std::size_t ends = arcs.empty() ? 0 : 1;
  complete(std::move(arcs), std::vector<std::int32_t>(ends), std::vector<double>(ends, best));
  prune(0, work);
}

template <class T>
FsaLattice<T> PrunedStream<T>::lattice(const SearchGraphs<T>& a, std::size_t columns, std::size_t first_row,
                                       SearchSpace<T>& space, Work& work) const {
  PrunedStream<T> ended(*this);
  for (std::int32_t t = 0; t < waiting_; ++t) {
    const std::size_t width = rows_.size() / std::size_t(waiting_);
    ended.step(a, rows_.data() + std::size_t(t) * width, width, true, space, work);
  }
  ended.end(a, work);
  FsaLattice<T> result;
  FsaBatch& batch = result.batch;
  const std::int32_t start = a.graphs.fsa_splits[a_fsa_], states = a.graphs.fsa_splits[a_fsa_ + 1] - start;
  if (ended.forward_.empty()) {  // no path: a start and an end with nothing between, as in k2
    for (std::int32_t s = 0; s < std::min(states, 2); ++s) batch.end_state();
    batch.fsa_splits.push_back(std::min(states, 2));
    return result;
  }
  batch.arcs.reserve(4 * ended.arcs_);
  batch.map_a.reserve(ended.arcs_);
  batch.map_b.reserve(ended.arcs_);
  result.scores.reserve(ended.arcs_);
  std::int32_t first = 0;
  for (std::size_t t = 0; t < ended.frames_.size(); ++t) {
    const Frame& frame = *ended.frames_[t];
    const auto count = std::int32_t(frame.forward.size()), next = first + count;
    std::size_t i = 0;
    for (std::int32_t s = 0; s < count; ++s) {
      for (; i < frame.arcs.size() && frame.arcs[i].from == s; ++i) {
        const TakenArc<T>& arc = frame.arcs[i];
        const std::int32_t label = arc.arc < 0 ? -1 : a.graphs.arcs[4 * std::size_t(arc.arc) + 2];
        batch.add_arc(first + s, next + arc.to, label, arc.arc,
                      std::int32_t((first_row + t) * columns + std::size_t(label + 1)));
        result.scores.push_back(arc.score);
      }
      batch.end_state();
    }
    first = next;
  }
  batch.end_state();
  batch.fsa_splits.push_back(first + 1);
  return result;
}

namespace {

template <class T>
Work work_on(const SearchGraphs<T>& a, std::int32_t a_fsa, std::int32_t frames) {
  Work work("intersect_dense_pruned", {}, 64, sizeof(TakenArc<T>));
  work.what = "an automaton of " + std::to_string(a.graphs.fsa_splits[a_fsa + 1] - a.graphs.fsa_splits[a_fsa]) +
              " states and " + std::to_string(frames) + " frames";
  return work;
}

// body(i) of each recording, the longest first, so that no thread is left alone with it.
template <class T, class Body>
void each_recording(const DenseFsas<T>& dense, int threads, Body body) {
  const auto rows = [&](std::size_t i) { return dense.row_splits[i + 1] - dense.row_splits[i]; };
  std::vector<std::size_t> order(dense.row_splits.size() - 1);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return rows(i) > rows(j); });
  parallel_for(order.size(), threads, [&](std::size_t i) { body(order[i]); });
}

}  // namespace

template <class T>
FsaBatch fsa_intersect_pruned(const SearchGraphs<T>& a, const DenseFsas<T>& dense, std::span<const std::int32_t> a_of,
                              const PrunedBeams& beams, int threads) {
  a.check_columns(dense.columns);
  std::vector<FsaBatch> parts(a_of.size());
  each_recording(dense, threads, [&](std::size_t i) {
    const auto row = std::size_t(dense.row_splits[i]);
    const std::int32_t frames = dense.row_splits[i + 1] - dense.row_splits[i] - 1;
    Work work = work_on(a, a_of[i], frames);
    SearchSpace<T> space;
    PrunedStream<T> stream(a, a_of[i], beams);
    stream.advance(a, dense.scores + row * dense.columns, dense.columns, frames, space, work);
    parts[i] = stream.lattice(a, dense.columns, row, space, work).batch;
  });
  return joined(std::move(parts), "intersect_dense_pruned");
}

template <class T>
FsaLattice<T> fsa_advance_pruned(const SearchGraphs<T>& a, const DenseFsas<T>& dense,
                                 std::vector<PrunedStream<T>>& streams, int threads) {
  a.check_columns(dense.columns);
  std::vector<FsaLattice<T>> parts(streams.size());
  each_recording(dense, threads, [&](std::size_t i) {
    const std::int32_t frames = dense.row_splits[i + 1] - dense.row_splits[i] - 1;
    Work work = work_on(a, streams[i].a_fsa(), frames);
    SearchSpace<T> space;
    const T* rows = dense.scores + std::size_t(dense.row_splits[i]) * dense.columns;
    streams[i].advance(a, rows, dense.columns, frames, space, work);
    parts[i] = streams[i].lattice(a, 0, 0, space, work);
  });
  FsaLattice<T> result;
  std::vector<FsaBatch> batches;
  for (FsaLattice<T>& part : parts) {
    result.scores.insert(result.scores.end(), part.scores.begin(), part.scores.end());
    batches.push_back(std::move(part.batch));
  }
  result.batch = joined(std::move(batches), "OnlineDenseIntersecter");
  return result;
}

#define SONANT_PRUNED(T)                                                                                         \
  template struct SearchGraphs<T>;                                                                               \
  template class PrunedStream<T>;                                                                                \
  template FsaBatch fsa_intersect_pruned(const SearchGraphs<T>&, const DenseFsas<T>&, std::span<const std::int32_t>, \
                                         const PrunedBeams&, int);                                               \
  template FsaLattice<T> fsa_advance_pruned(const SearchGraphs<T>&, const DenseFsas<T>&,                         \
                                            std::vector<PrunedStream<T>>&, int);
SONANT_PRUNED(float)
SONANT_PRUNED(double)
#undef SONANT_PRUNED

}  // namespace sonant

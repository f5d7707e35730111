#include "fsa/pruned.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "array.h"
#include "fsa/active_states.h"
#include "fst/error.h"
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
// Candidates that are looked through at once.
constexpr std::size_t kBlock = 1024;
// How many states ahead the arcs of a state are asked for.
constexpr std::size_t kAhead = 6;
// So many arcs for each state there is are many.
constexpr std::size_t kMany = 16;

}  // namespace

template <class T>
struct SearchSpace {
  HashedStates hashed;
  std::unique_ptr<DirectStates> direct;
  Array<TakenArc<T>> candidates;
  std::vector<double> ends;  // best one at each state there is
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

// Of the arcs that are in reach those that lead to states with an arc above the cutoff, and are within the output beam of
// the best arc there.
template <class T>
template <class States>
void PrunedStream<T>::take(States& active, TakenArc<T>* candidates, std::size_t count, double cutoff) {
  const auto end_of = [&](const TakenArc<T>& arc) { return forward_[std::size_t(arc.from)] + double(arc.score); };
  std::array<std::uint32_t, kBlock> chosen;

  // States of the next frame, by the first arc that ends there above the beam; such arcs get the complement of its number.
  std::vector<std::int32_t> states;
  std::vector<double> next;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    TakenArc<T>* block = candidates + begin;
    std::size_t above = 0;
    for (std::size_t i = 0; i < std::min(kBlock, count - begin); ++i) {
      chosen[above] = std::uint32_t(i);
      above += end_of(block[i]) > cutoff;
    }
    for (std::size_t i = 0; i < above; ++i) {
      if (i + kAhead < above) active.prefetch(block[chosen[i + kAhead]].to);
      TakenArc<T>& arc = block[chosen[i]];
      const double there = end_of(arc);
      const auto number = std::size_t(active.number(arc.to, std::int32_t(states.size())));
      if (number == states.size()) {
        states.push_back(arc.to);
        next.push_back(there);
      } else if (there > next[number]) {
        next[number] = there;
      }
      arc.to = ~std::int32_t(number);
    }
  }
  std::size_t kept = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const TakenArc<T>* block = candidates + begin;
    std::size_t possible = std::min(kBlock, count - begin);
    if constexpr (!States::kDirect) {
      const std::size_t size = std::exchange(possible, 0);
      for (std::size_t i = 0; i < size; ++i) {
        chosen[possible] = std::uint32_t(i);
        possible += std::size_t(block[i].to < 0) | std::size_t(active.perhaps(block[i].to));
      }
    }
    for (std::size_t i = 0; i < possible; ++i) {
      TakenArc<T> arc = block[States::kDirect ? i : chosen[i]];
      arc.to = arc.to < 0 ? ~arc.to : active.find(arc.to);
      if (arc.to < 0) continue;
      candidates[kept] = arc;
      kept += end_of(arc) - next[std::size_t(arc.to)] >= -beams_.output;
    }
  }
  active.clear(states);
  complete({candidates, candidates + kept}, std::move(states), std::move(next));
}

// Goes through the arcs once, noting those in reach. `best` is how well one of them ends, best_step no less than any
// arc's score.
template <class T>
void PrunedStream<T>::take_among_few(const SearchGraphs<T>& a, const T* row, double best, double best_step,
                                     SearchSpace<T>& space) {
  const std::int32_t* arcs = a.graphs.arcs.data();
  const std::int32_t* splits = a.graphs.state_splits.data() + a.graphs.fsa_splits[a_fsa_];
  const auto all = std::size_t(a.graphs.fsa_splits[a_fsa_ + 1] - a.graphs.fsa_splits[a_fsa_]);
  const std::vector<double>& forward = forward_;
  const auto score_of = [&](std::int32_t arc) {
    return a.scores[arc] + row[std::size_t(arcs[4 * std::size_t(arc) + 2] + 1)];
  };
  // An arc that ends below the beam stays only with a state that another arc took there, and within the output beam of it.
  const double reach = beam_ + beams_.output;
  double low = best - reach;
  // Whether an arc is in reach, above the beam, or leads to an active state is hard to foresee: lists are made without
  // branches, by writing each and going on only where it counts.
  Array<TakenArc<T>>& candidates = space.candidates;
  std::size_t count = 0;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    if (s + kAhead < states_.size()) {
      __builtin_prefetch(&splits[states_[s + kAhead]]);
      __builtin_prefetch(&arcs[4 * std::size_t(splits[states_[s + kAhead / 2]])]);
      __builtin_prefetch(&a.scores[splits[states_[s + kAhead / 2]]]);
    }
    const double here = forward[s];
    if (!(here + best_step > low)) continue;
    const std::int32_t end = splits[states_[s] + 1];
    const auto leaving = std::size_t(end - splits[states_[s]]);
    if (candidates.size() < count + leaving) candidates.resize(2 * (count + leaving));
    for (std::int32_t arc = splits[states_[s]]; arc < end; ++arc) {
      const T score = score_of(arc);
      const double there = here + double(score);
      candidates[count] = {arc, std::int32_t(s), arcs[4 * std::size_t(arc) + 1], score};
      count += there > low;
      if (there > best) {
        best = there;
        low = best - reach;
      }
    }
  }
  // A table of all states is no more than the candidates take, or else is not made.
  if (all <= count) {
    if (!space.direct) space.direct = std::make_unique<DirectStates>(all);
    take(*space.direct, candidates.data(), count, best - beam_);
  } else {
    take(space.hashed, candidates.data(), count, best - beam_);
  }
}

// The same where many arcs lead to each state: they are gone through twice, which is faster than to note those in reach.
template <class T>
void PrunedStream<T>::take_among_many(const SearchGraphs<T>& a, const T* row, double best, double best_step,
                                      SearchSpace<T>& space) {
  const std::int32_t* splits = a.graphs.state_splits.data() + a.graphs.fsa_splits[a_fsa_];
  const auto all = std::size_t(a.graphs.fsa_splits[a_fsa_ + 1] - a.graphs.fsa_splits[a_fsa_]);
  struct Arc {
    std::int32_t from, to, label, score;
  };
  const auto* arcs = reinterpret_cast<const Arc*>(a.graphs.arcs.data());
  const T* scores = a.scores;
  space.ends.assign(all, kNone);
  double* ends = space.ends.data();
  const double reach = beam_ + beams_.output;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    const double here = forward_[s];
    if (!(here + best_step > best - reach)) continue;
    for (std::int32_t arc = splits[states_[s]], end = splits[states_[s] + 1]; arc < end; ++arc) {
      const double there = here + double(scores[arc] + row[arcs[arc].label + 1]);
      ends[arcs[arc].to] = std::max(ends[arcs[arc].to], there);
      best = std::max(best, there);
    }
  }
  const double cutoff = best - beam_, low = best - reach;
  const auto in_reach = [&](std::size_t s) { return forward_[s] + best_step > low; };

  if (!space.direct) space.direct = std::make_unique<DirectStates>(all);
  DirectStates& active = *space.direct;
  std::vector<std::int32_t> states;
  auto missing = std::count_if(ends, ends + all, [&](double there) { return there > cutoff; });
  for (std::size_t s = 0; missing > 0; ++s) {
    if (!in_reach(s)) continue;
    for (std::int32_t arc = splits[states_[s]], end = splits[states_[s] + 1]; arc < end; ++arc) {
      const double there = forward_[s] + double(scores[arc] + row[arcs[arc].label + 1]);
      if (!(there > cutoff) || active.find(arcs[arc].to) >= 0) continue;
      active.number(arcs[arc].to, std::int32_t(states.size()));
      states.push_back(arcs[arc].to);
      --missing;
    }
  }
  std::vector<double> next(states.size());
  for (std::size_t i = 0; i < states.size(); ++i) next[i] = ends[states[i]];

  // From here on the least with which an arc stays.
  for (std::size_t s = 0; s < all; ++s) {
    ends[s] = ends[s] > cutoff ? ends[s] - beams_.output : std::numeric_limits<double>::infinity();
  }
  Array<TakenArc<T>>& kept = space.candidates;
  std::size_t count = 0;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    if (!in_reach(s)) continue;
    const double here = forward_[s];
    const std::int32_t begin = splits[states_[s]], end = splits[states_[s] + 1];
    const auto most = count + std::size_t(end - begin);
    if (kept.size() < most) kept.resize_for_overwrite(2 * most);
    TakenArc<T>* next_kept = kept.data() + count;
    for (std::int32_t arc = begin; arc < end; ++arc) {
      const T score = scores[arc] + row[arcs[arc].label + 1];
      *next_kept = {arc, std::int32_t(s), arcs[arc].to, score};
      next_kept += here + double(score) >= ends[arcs[arc].to];
    }
    count = std::size_t(next_kept - kept.data());
  }
  for (std::size_t i = 0; i < count; ++i) kept[i].to = active.find(kept[i].to);
  active.clear(states);
  complete({kept.data(), kept.data() + count}, std::move(states), std::move(next));
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
  const auto all = std::size_t(a.graphs.fsa_splits[a_fsa_ + 1] - a.graphs.fsa_splits[a_fsa_]);
  std::size_t leaving = 0;
  for (const std::int32_t state : states_) leaving += std::size_t(splits[state + 1] - splits[state]);
  work.steps(leaving + states_.size());
  if (leaving >= kMany * all) {
    take_among_many(a, row, best, best_step, space);
  } else {
    take_among_few(a, row, best, best_step, space);
  }
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
    result.scores.append(part.scores.begin(), part.scores.end());
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

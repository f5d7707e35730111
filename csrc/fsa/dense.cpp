#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "fsa/algorithms.h"
#include "fst/error.h"
#include "fst/work.h"
#include "pool.h"

namespace sonant {
namespace {

// Frames times arcs that are done before a second thread is there.
constexpr std::size_t kStepsWorthThreads = 20000;
constexpr double kNone = -std::numeric_limits<double>::infinity();

template <class T>
class Intersection {
 public:
  Intersection(const FsaGraphs& a, const T* scores, const DenseFsas<T>& dense, std::int32_t a_fsa, std::int32_t b_fsa)
      : a_(a),
        dense_(dense),
        first_(a.fsa_splits[a_fsa]),
        states_(a.fsa_splits[a_fsa + 1] - first_),
        begin_(a.state_splits[first_]),
        row_(dense.row_splits[b_fsa]),
        rows_(dense.row_splits[b_fsa + 1] - row_),
        work_("intersect_dense", {}, 12, 24),
        alpha_(states_, kNone) {
    arcs_.reserve(a.state_splits[first_ + states_] - begin_);
    for (std::int32_t arc = begin_; arc < a.state_splits[first_ + states_]; ++arc) {
      const std::int32_t* values = a.arcs.data() + 4 * std::size_t(arc);
      arcs_.push_back({values[1], values[2], double(scores[arc])});
    }
    work_.what = "an automaton of " + std::to_string(states_) + " states and " + std::to_string(rows_ - 1) + " frames";
  }

  FsaBatch operator()(const DenseLimits& limits) {
    FsaBatch result;
    if (states_ > 1) {
      find_entering();
      forward();
      // A beam of nothing keeps the best paths alone, which is as few as there can be.
      double beam = limits.beam;
      while (!backward(beam, beam > 0 ? limits : kNoLimits)) beam = beam < 0.01 ? 0 : std::min(beam / 2, 1000.0);
      collect(result);
    }
    if (result.state_splits.size() == 1) result.fsa_splits = {0, 0};
    return result;
  }

 private:
  static constexpr DenseLimits kNoLimits{0, std::numeric_limits<std::int32_t>::max(),
                                         std::numeric_limits<std::int32_t>::max()};
  struct Active {
    std::int32_t state;
    double score;  // best from the start
  };

  // Which states are reached at each frame, by number, and their best scores. Only the row of label -1 leads to the
  // final state.
  void forward() {
    active_.assign(1, {0, 0});
    frames_ = {0, 1};
    best_ = kNone;
    std::vector<double> next(states_, kNone);
    std::vector<std::int32_t> touched;
    for (std::int32_t t = 0; t < rows_; ++t) {
      each_arc(t, [&](std::int32_t, std::int32_t to, double score, std::int32_t) {
        double& there = next[to];
        if (score <= there) return;
        if (there == kNone) touched.push_back(to);
        there = score;
      });
      if (t == rows_ - 1) break;
      if (touched.size() > std::size_t(states_) / 8) {
        touched.clear();
        for (std::int32_t s = 0; s < states_; ++s) touched.push_back(s);
      } else {
        std::sort(touched.begin(), touched.end());
      }
      for (const std::int32_t s : touched) {
        if (next[s] > kNone) active_.push_back({s, next[s]});
        next[s] = kNone;
      }
      touched.clear();
      frames_.push_back(active_.size());
      work_.made(active_.size(), 0);
    }
    best_ = next[states_ - 1];
  }

  // From the end on: which arcs lie on a path within the beam. False where they are too many.
  bool backward(double beam, const DenseLimits& limits) {
    kept_.clear();
    ends_.assign(1, 0);
    if (best_ == kNone) return true;
    std::vector<double> after(states_, kNone), before(states_, kNone);
    std::vector<std::int32_t> alive, next;  // states with a way on, of the frame after and of this one
    std::int64_t states = 0;
    for (std::int32_t t = rows_ - 1; t >= 0; --t) {
      next.clear();
      const bool last = t == rows_ - 1;
      const T* row = row_of(t);
      const auto look_at = [&](std::int32_t from, std::int32_t to, double score, std::int32_t arc) {
        const double rest = last ? (to == states_ - 1 ? 0 : kNone) : after[to];
        if (rest == kNone || score + rest < best_ - beam) return;
        if (before[from] == kNone) next.push_back(from);
        before[from] = std::max(before[from], rest + weight(row, arc));
        kept_.push_back(arc);
      };
      std::size_t leading = 0;
      for (const std::int32_t s : alive) leading += std::size_t(into_begin_[s + 1] - into_begin_[s]);
      if (last || leading > into_arcs_.size() / 16) {
        each_arc(t, look_at);
      } else {  // few states have a way on: only what leads to them is looked at
        for (const Active& here : frame(t)) alpha_[here.state] = here.score;
        for (const std::int32_t s : alive) {
          for (std::int32_t i = into_begin_[s]; i < into_begin_[s + 1]; ++i) {
            const std::int32_t arc = into_arcs_[i], from = source(arc);
            if (alpha_[from] == kNone) continue;
            const double score = alpha_[from] + weight(row, arc);
            if (score > kNone) look_at(from, s, score, arc);
          }
          work_.step();
        }
        for (const Active& here : frame(t)) alpha_[here.state] = kNone;
        std::sort(kept_.begin() + std::ptrdiff_t(ends_.back()), kept_.end());
      }
      states += std::int64_t(next.size());
      for (const std::int32_t s : alive) after[s] = kNone;
      after.swap(before);
      alive.swap(next);
      ends_.push_back(kept_.size());
      if (states >= limits.max_states || std::int64_t(kept_.size()) > limits.max_arcs) return false;
    }
    return true;
  }

  // The arcs that lead to each state.
  void find_entering() {
    into_begin_.assign(states_ + 2, 0);
    for (const Arc& arc : arcs_) ++into_begin_[arc.dest + 2];
    for (std::size_t s = 2; s < into_begin_.size(); ++s) into_begin_[s] += into_begin_[s - 1];
    into_arcs_.resize(arcs_.size());
    for (std::size_t i = 0; i < arcs_.size(); ++i) into_arcs_[into_begin_[arcs_[i].dest + 1]++] = begin_ + std::int32_t(i);
  }

  // Follows the arcs that were kept from the start on, which numbers the states.
  void collect(FsaBatch& result) {
    if (kept_.empty()) return;
    result.arcs.reserve(4 * kept_.size());
    result.map_a.reserve(kept_.size());
    result.map_b.reserve(kept_.size());
    std::vector<std::int32_t> here(states_, -1), there(states_, -1), met{0};
    std::int32_t count = 0;
    here[0] = count++;
    for (std::int32_t t = 0; t < rows_; ++t) {
      const std::size_t back = std::size_t(rows_ - 1 - t);
      const std::span arcs(kept_.data() + ends_[back], ends_[back + 1] - ends_[back]);
      // States of the next frame in the order of their numbers.
      std::vector<std::int32_t> next;
      for (const std::int32_t arc : arcs) {
        const std::int32_t to = dest(arc);
        if (here[source(arc)] >= 0 && there[to] == -1) {
          there[to] = 0;
          next.push_back(to);
        }
      }
      std::sort(next.begin(), next.end());
      for (const std::int32_t s : next) there[s] = count++;
      std::size_t i = 0;
      for (const std::int32_t s : met) {
        while (i < arcs.size() && source(arcs[i]) < s) ++i;
        for (; i < arcs.size() && source(arcs[i]) == s; ++i) {
          const std::int32_t arc = arcs[i];
          result.add_arc(here[s], there[dest(arc)], label(arc), arc, std::int32_t(offset(t, arc)));
        }
        result.end_state();
        here[s] = -1;
      }
      met.swap(next);
      here.swap(there);
    }
    result.end_state();
    result.fsa_splits.push_back(count);
  }

  std::span<const Active> frame(std::int32_t t) const {
    if (std::size_t(t) + 1 >= frames_.size()) return {};
    return {active_.data() + frames_[t], frames_[t + 1] - frames_[t]};
  }

  // body(source, destination, score so far, arc), for arcs that can be taken at frame t, by source. That frames have
  // -inf for label -1, and the last row for all others, says which can.
  template <class Body>
  void each_arc(std::int32_t t, Body body) {
    const T* row = row_of(t);
    for (const auto& [s, so_far] : frame(t)) {
      work_.step();
      for (std::int32_t arc = a_.state_splits[first_ + s]; arc < a_.state_splits[first_ + s + 1]; ++arc) {
        const Arc& taken = arcs_[arc - begin_];
        const double score = so_far + (taken.score + double(row[taken.label]));
        if (score > kNone) {
          body(s, taken.dest, score, arc);
        } else if (std::isnan(score)) {
          fst_error("intersect_dense: the score of label ", taken.label, " at row ", row_ + t, " is not a number");
        }
      }
    }
  }

  std::int32_t source(std::int32_t arc) const { return a_.arcs[4 * std::size_t(arc)]; }
  std::int32_t dest(std::int32_t arc) const { return arcs_[arc - begin_].dest; }
  std::int32_t label(std::int32_t arc) const { return arcs_[arc - begin_].label; }
  std::size_t offset(std::int32_t t, std::int32_t arc) const {
    return std::size_t(row_ + t) * dense_.columns + std::size_t(label(arc) + 1);
  }
  const T* row_of(std::int32_t t) const { return dense_.scores + std::size_t(row_ + t) * dense_.columns + 1; }
  double weight(const T* row, std::int32_t arc) const {
    return arcs_[arc - begin_].score + double(row[arcs_[arc - begin_].label]);
  }

  struct Arc {
    std::int32_t dest, label;
    double score;
  };
  const FsaGraphs& a_;
  const DenseFsas<T>& dense_;
  const std::int32_t first_, states_, begin_, row_, rows_;
  std::vector<Arc> arcs_;  // of the automaton, from arc begin_ on
  Work work_;
  std::vector<Active> active_;  // of all frames, one after the other
  std::vector<std::size_t> frames_;
  std::vector<double> alpha_;  // of the frame that is looked at
  double best_ = kNone;
  std::vector<std::int32_t> kept_;  // arcs of `a`, of the last frame first
  std::vector<std::size_t> ends_;
  std::vector<std::int32_t> into_begin_, into_arcs_;
};

}  // namespace

template <class T>
FsaBatch fsa_intersect_dense(const FsaGraphs& a, const T* scores, const DenseFsas<T>& dense,
                             std::span<const std::int32_t> a_of, std::span<const std::int32_t> b_of,
                             const DenseLimits& limits, int threads) {
  std::int32_t highest = -1;
  for (std::size_t i = 2; i < a.arcs.size(); i += 4) highest = std::max(highest, a.arcs[i]);
  if (highest >= std::int64_t(dense.columns) - 1) {
    fst_error("intersect_dense: label ", highest, " in the automata, and the network has ", dense.columns - 1,
              " classes, 0 to ", std::int64_t(dense.columns) - 2);
  }
  std::vector<FsaBatch> parts(b_of.size());
  const std::size_t rows = b_of.empty() ? 0 : std::size_t(dense.row_splits.back());
  if (rows * (a.arcs.size() / 4) < kStepsWorthThreads) threads = 1;
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    parts[i] = Intersection<T>(a, scores, dense, a_of[i], b_of[i])(limits);
  });
  return joined(std::move(parts), "intersect_dense");
}

template FsaBatch fsa_intersect_dense(const FsaGraphs&, const float*, const DenseFsas<float>&,
                                      std::span<const std::int32_t>, std::span<const std::int32_t>, const DenseLimits&,
                                      int);
template FsaBatch fsa_intersect_dense(const FsaGraphs&, const double*, const DenseFsas<double>&,
                                      std::span<const std::int32_t>, std::span<const std::int32_t>, const DenseLimits&,
                                      int);

}  // namespace sonant

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "fsa/algorithms.h"
#include "fst/error.h"
#include "fst/work.h"
#include "pool.h"
#include "prefetch.h"

namespace sonant {
namespace {

// Frames times arcs that are done before a second thread is there.
constexpr std::size_t kStepsWorthThreads = 20000;
// What an arc costs that is looked at from its end, among few others, in arcs that are looked at in a row.
constexpr std::size_t kEnteringCost = 8;
constexpr double kNone = -std::numeric_limits<double>::infinity();

// What all recordings look up in the automata.
struct Arc {
  std::int32_t dest, label;
  double score;
};

struct Automata {
  template <class T>
  Automata(const FsaGraphs& graphs, const T* scores, int threads)
      : graphs(graphs), odd(graphs.fsas()), highest(graphs.fsas(), -1) {
    arcs.resize_for_overwrite(graphs.arcs.size() / 4);
    into.resize_for_overwrite(arcs.size());
    into_splits.resize_for_overwrite(graphs.states() + 1);
    into_splits[0] = 0;
    parallel_for(graphs.fsas(), threads, [&](std::size_t fsa) { read(scores, fsa); });
  }
  std::int32_t leaving(std::int32_t state) const { return graphs.state_splits[state + 1] - graphs.state_splits[state]; }
  std::int32_t entering(std::int32_t state) const { return into_splits[state + 1] - into_splits[state]; }

  const FsaGraphs& graphs;
  Array<Arc> arcs;
  Array<std::int32_t> into_splits, into;  // the arcs that lead to each state, of all automata
  std::vector<char> odd;                  // automata in which the score of an arc is NaN or +inf
  std::vector<std::int32_t> highest;      // label of each

 private:
  template <class T>
  void read(const T* scores, std::size_t fsa) {
    const std::int32_t first = graphs.fsa_splits[fsa], last = graphs.fsa_splits[fsa + 1];
    const std::int32_t begin = graphs.state_splits[first], end = graphs.state_splits[last];
    std::fill(into_splits.begin() + first + 1, into_splits.begin() + last + 1, 0);
    std::int32_t* after = into_splits.data() + first + 1;  // of each state
    for (std::int32_t i = begin; i < end; ++i) {
      const std::int32_t* values = graphs.arcs.data() + 4 * std::size_t(i);
      arcs[i] = {values[1], values[2], double(scores[i])};
      odd[fsa] |= !(scores[i] < std::numeric_limits<T>::infinity());
      highest[fsa] = std::max(highest[fsa], values[2]);
      ++after[values[1]];
    }
    std::int32_t sum = begin;
    std::vector<std::int32_t> next(last - first);
    for (std::int32_t s = 0; s < last - first; ++s) {
      next[s] = sum;
      after[s] = sum += after[s];
    }
    for (std::int32_t i = begin; i < end; ++i) into[next[arcs[i].dest]++] = i;
  }
};

template <class T>
class Intersection {
 public:
  Intersection(const Automata& a, const DenseFsas<T>& dense, std::int32_t a_fsa, std::int32_t b_fsa)
      : a_(a),
        arcs_(a.arcs.data()),
        first_(a.graphs.fsa_splits[a_fsa]),
        states_(a.graphs.fsa_splits[a_fsa + 1] - first_),
        splits_(a.graphs.state_splits.data() + first_),
        dense_(dense),
        row_(dense.row_splits[b_fsa]),
        rows_(dense.row_splits[b_fsa + 1] - row_),
        odd_(a.odd[a_fsa]),
        work_("intersect_dense", {}, 12, 28) {
    work_.what = "an automaton of " + std::to_string(states_) + " states and " + std::to_string(rows_ - 1) + " frames";
  }

  // Finds what stays, and how much that is.
  void find(const DenseLimits& limits) {
    if (states_ < 2) return;
    forward();
    // A beam of nothing keeps the best paths alone, which is as few as there can be.
    double beam = limits.beam;
    std::size_t most = 0;
    for (std::int32_t t = 0; t < rows_; ++t) most += num_leaving(t);
    kept_.reserve(most);  // of memory that is not filled none is taken
    while (!backward(beam, beam > 0 ? limits : kNoLimits)) beam = beam < 0.01 ? 0 : std::min(beam / 2, 1000.0);
    active_ = {};
    drop_unreached();
    for (const Alive& state : alive_) num_arcs_ += std::size_t(state.arcs);
    if (num_arcs_ > 0) num_states_ = alive_.size() + 1;
  }
  std::size_t num_states() const { return num_states_; }
  std::size_t num_arcs() const { return num_arcs_; }

  // Writes it where there is room for it: from arc and state number `arc` and `state` of the batch on.
  void write(FsaLattice<T>& lattice, const T* scores, std::size_t arc, std::size_t state) const {
    if (num_arcs_ == 0) return;
    std::vector<std::int32_t> numbers(states_, 0);  // of the states of the next frame
    auto* arcs = reinterpret_cast<Row*>(lattice.batch.arcs.data()) + arc;
    std::int32_t* map_a = lattice.batch.map_a.data() + arc;
    std::int32_t* map_b = lattice.batch.map_b.data() + arc;
    std::int32_t* ends = lattice.batch.state_splits.data() + state + 1;
    T* sums = lattice.scores.data() + arc;
    std::size_t i = 0;
    std::int32_t from = 0;
    for (std::int32_t t = 0; t < rows_; ++t) {
      const std::span here = alive(t);
      auto next = from + std::int32_t(here.size());
      if (t + 1 == rows_) {
        numbers[states_ - 1] = next;
      } else {
        for (const Alive& there : alive(t + 1)) numbers[there.state] = next++;
      }
      const T *row = row_of(t), *row_after = row_of(std::min(t + 1, rows_ - 1));
      const auto offset = std::int32_t(row - dense_.scores);
      const std::int32_t* kept = kept_.data() + kept_begins_[t];
      for (const Alive& source : here) {
        for (const std::int32_t* end = kept + source.arcs; kept < end; ++kept, ++i) {
          const Arc& taken = arcs_[*kept];
          const T sum = scores[*kept] + row[taken.label];
          prefetch(&row_after[taken.label]);  // is likely to be asked for
          arcs[i] = {from, numbers[taken.dest], taken.label, std::bit_cast<std::int32_t>(float(sum))};
          map_a[i] = *kept;
          map_b[i] = offset + taken.label;
          sums[i] = sum;
        }
        *ends++ = std::int32_t(arc + i);
        ++from;
      }
    }
    *ends = std::int32_t(arc + i);
  }

 private:
  static constexpr DenseLimits kNoLimits{0, std::numeric_limits<std::int32_t>::max(),
                                         std::numeric_limits<std::int32_t>::max()};
  struct Row {
    std::int32_t from, to, label, score;
  };
  struct Active {
    std::int32_t state;
    double score;  // best from the start
  };
  struct Alive {
    std::int32_t state, arcs;  // how many leave it
  };

  // Which states are reached at each frame, by number, and their best scores. That frames have -inf for label -1, and the
  // last row for all others, says which arcs can be taken.
  void forward() {
    active_ = {{0, 0}};
    frames_ = {0, 1};
    std::vector<double> next(states_, kNone);
    std::vector<std::int32_t> touched;
    for (std::int32_t t = 0; t < rows_; ++t) {
      check_numbers(t);
      const T* row = row_of(t);
      const std::size_t leaving = num_leaving(t);
      work_.steps(leaving);
      if (leaving > std::size_t(states_) / 8) {
        for (const auto& [s, so_far] : frame(t)) {
          for (const Arc *arc = arcs_ + splits_[s], *end = arcs_ + splits_[s + 1]; arc < end; ++arc) {
            const double score = so_far + (arc->score + double(row[arc->label]));
            next[arc->dest] = std::max(next[arc->dest], score);
          }
        }
        if (t == rows_ - 1) break;
        for (std::int32_t s = 0; s < states_; ++s) {
          if (next[s] > kNone) active_.push_back({s, next[s]});
        }
        std::fill(next.begin(), next.end(), kNone);
      } else {  // far fewer than there are states: only those that are reached are looked at
        for (const auto& [s, so_far] : frame(t)) {
          for (const Arc *arc = arcs_ + splits_[s], *end = arcs_ + splits_[s + 1]; arc < end; ++arc) {
            const double score = so_far + (arc->score + double(row[arc->label]));
            double& there = next[arc->dest];
            if (!(score > there)) continue;
            if (there == kNone) touched.push_back(arc->dest);
            there = score;
          }
        }
        if (t == rows_ - 1) break;
        std::sort(touched.begin(), touched.end());
        for (const std::int32_t s : touched) active_.push_back({s, std::exchange(next[s], kNone)});
        touched.clear();
      }
      frames_.push_back(active_.size());
      work_.made(active_.size(), 0);
    }
    best_ = next[states_ - 1];
  }

  // From the end on: which arcs lie on a path within the beam. False where they are too many.
  bool backward(double beam, const DenseLimits& limits) {
    kept_.clear();
    alive_.clear();
    kept_begins_.assign(rows_, 0);
    alive_ends_.assign(rows_, 0);
    if (best_ == kNone) return true;
    // Sums of a path's scores differ by how they are rounded.
    const double slack = beam > 0 ? beam : 1e-12 * std::max(1.0, std::abs(best_));
    const double least = std::max(best_ - slack, std::numeric_limits<double>::lowest());
    std::vector<double> after(states_, kNone), rest;  // best scores to the end, of the states of the frame after
    std::vector<std::int32_t> ahead{states_ - 1};     // those of them with a way on
    std::vector<double> before;                       // best scores from the start
    after[states_ - 1] = 0;
    for (std::int32_t t = rows_ - 1; t >= 0; --t) {
      const T *row = row_of(t), *row_before = row_of(std::max(t - 1, 0));
      const std::size_t first = alive_.size(), leaving = num_leaving(t);
      kept_begins_[t] = kept_.size();
      std::size_t entering = 0;
      for (const std::int32_t s : ahead) entering += std::size_t(a_.entering(first_ + s));
      const std::size_t looked_at = std::min(leaving, entering * kEnteringCost);
      kept_.resize_for_overwrite(kept_.size() + std::min(leaving, entering));
      std::int32_t* kept = kept_.data() + kept_begins_[t];
      rest.clear();
      const auto end_state = [&](std::int32_t state, std::ptrdiff_t count, double way) {
        if (count == 0) return;
        alive_.push_back({state, std::int32_t(count)});
        rest.push_back(way);
      };
      if (looked_at == leaving) {
        for (const auto& [s, so_far] : frame(t)) {
          double way = kNone;
          const std::int32_t* begin = kept;
          for (std::int32_t arc = splits_[s]; arc < splits_[s + 1]; ++arc) {
            const Arc& taken = arcs_[arc];
            const double score = taken.score + double(row[taken.label]), on = after[taken.dest];
            const bool stays = so_far + score + on >= least;
            prefetch(&row_before[taken.label]);  // is likely to be asked for
            *kept = arc;
            kept += stays;
            way = std::max(way, stays ? score + on : kNone);
          }
          end_state(s, kept - begin, way);
        }
      } else {  // few states have a way on: only what leads to them is looked at
        before.resize(states_, kNone);
        for (const Active& here : frame(t)) before[here.state] = here.score;
        const std::int32_t* begin = kept;
        for (const std::int32_t s : ahead) {
          for (std::int32_t i = a_.into_splits[first_ + s]; i < a_.into_splits[first_ + s + 1]; ++i) {
            const std::int32_t arc = a_.into[i];
            const double score = arcs_[arc].score + double(row[arcs_[arc].label]);
            *kept = arc;
            kept += before[source(arc)] + score + after[s] >= least;
          }
        }
        for (const Active& here : frame(t)) before[here.state] = kNone;
        std::sort(kept_.data() + kept_begins_[t], kept);
        for (const std::int32_t* arc = begin; arc < kept;) {
          const std::int32_t state = source(*arc), *of_state = arc;
          double way = kNone;
          for (; arc < kept && source(*arc) == state; ++arc) {
            way = std::max(way, arcs_[*arc].score + double(row[arcs_[*arc].label]) + after[arcs_[*arc].dest]);
          }
          end_state(state, arc - of_state, way);
        }
      }
      work_.steps(looked_at);
      kept_.resize_for_overwrite(std::size_t(kept - kept_.data()));
      work_.made(alive_.size(), kept_.size());
      if (std::int64_t(alive_.size()) >= limits.max_states || std::int64_t(kept_.size()) > limits.max_arcs) return false;
      for (const std::int32_t s : ahead) after[s] = kNone;
      ahead.clear();
      for (std::size_t i = first; i < alive_.size(); ++i) {
        ahead.push_back(alive_[i].state);
        after[alive_[i].state] = rest[i - first];
      }
      alive_ends_[t] = alive_.size();
    }
    return true;
  }

  // What is at the edge of the beam may by rounding have lost the way to it.
  void drop_unreached() {
    std::vector<std::int32_t> reached(states_, -1);  // at which frame they last were
    if (num_alive(0) > 0) reached[0] = 0;
    for (std::int32_t t = 0; t < rows_; ++t) {
      const std::span here = alive(t);
      std::int32_t *kept = kept_.data() + kept_begins_[t], *stay = kept;
      for (Alive& state : here) {
        if (reached[state.state] == t) {
          if (stay < kept) std::copy_n(kept, state.arcs, stay);
          kept += state.arcs;
          stay += state.arcs;
        } else {
          kept += std::exchange(state.arcs, 0);
        }
      }
      if (t + 1 == rows_) break;
      auto missing = num_alive(t + 1);
      for (const std::int32_t* arc = kept_.data() + kept_begins_[t]; arc < stay && missing > 0; ++arc) {
        missing -= std::exchange(reached[arcs_[*arc].dest], t + 1) != t + 1;
      }
    }
    // States without arcs go, from the last frame's, which are the first here, on.
    std::size_t begin = 0, stay = 0;
    for (std::int32_t t = rows_ - 1; t >= 0; --t) {
      for (; begin < alive_ends_[t]; ++begin) {
        if (alive_[begin].arcs > 0) alive_[stay++] = alive_[begin];
      }
      alive_ends_[t] = stay;
    }
    alive_.resize_for_overwrite(stay);
  }

  // FstError where an arc that can be taken at frame t has a score that is not a number. Sums are not, where infinity is
  // among them.
  void check_numbers(std::int32_t t) {
    const T* row = row_of(t) - 1;
    bool odd = odd_;
    for (std::size_t c = 0; c < dense_.columns; ++c) odd |= !(row[c] < std::numeric_limits<T>::infinity());
    odd_ = odd;
    if (!odd) return;
    for (const auto& [s, so_far] : frame(t)) {
      for (std::int32_t arc = splits_[s]; arc < splits_[s + 1]; ++arc) {
        if (!std::isnan(so_far + (arcs_[arc].score + double(row[arcs_[arc].label + 1])))) continue;
        fst_error("intersect_dense: the score of label ", arcs_[arc].label, " at row ", row_ + t, " is not a number");
      }
    }
  }

  std::span<const Active> frame(std::int32_t t) const {
    if (std::size_t(t) + 1 >= frames_.size()) return {};
    return {active_.data() + frames_[t], frames_[t + 1] - frames_[t]};
  }
  std::size_t num_leaving(std::int32_t t) const {
    std::size_t count = 0;
    for (const Active& here : frame(t)) count += std::size_t(splits_[here.state + 1] - splits_[here.state]);
    return count;
  }
  std::size_t alive_begin(std::int32_t t) const { return t + 1 == rows_ ? 0 : alive_ends_[t + 1]; }
  std::size_t num_alive(std::int32_t t) const { return alive_ends_[t] - alive_begin(t); }
  std::span<Alive> alive(std::int32_t t) { return {alive_.data() + alive_begin(t), num_alive(t)}; }
  std::span<const Alive> alive(std::int32_t t) const { return {alive_.data() + alive_begin(t), num_alive(t)}; }
  std::int32_t source(std::int32_t arc) const { return a_.graphs.arcs[4 * std::size_t(arc)]; }
  // Of label 0.
  const T* row_of(std::int32_t t) const { return dense_.scores + std::size_t(row_ + t) * dense_.columns + 1; }

  const Automata& a_;
  const Arc* arcs_;  // of all automata
  const std::int32_t first_, states_;
  const std::int32_t* splits_;  // of the states of this one
  const DenseFsas<T>& dense_;
  const std::int32_t row_, rows_;
  bool odd_;
  Work work_;
  Array<Active> active_;  // of all frames, one after the other
  std::vector<std::size_t> frames_;
  double best_ = kNone;
  // Arcs of `a` that stay and the states that they leave, the last frame first, within a frame by number.
  Array<std::int32_t> kept_;
  Array<Alive> alive_;
  std::vector<std::size_t> kept_begins_, alive_ends_;  // of each frame
  std::size_t num_arcs_ = 0, num_states_ = 0;
};

}  // namespace

template <class T>
FsaLattice<T> fsa_intersect_dense(const FsaGraphs& a, const T* scores, const DenseFsas<T>& dense,
                                  std::span<const std::int32_t> a_of, std::span<const std::int32_t> b_of,
                                  const DenseLimits& limits, int threads) {
  const std::size_t all_rows = b_of.empty() ? 0 : std::size_t(dense.row_splits.back());
  if (all_rows * (a.arcs.size() / 4) < kStepsWorthThreads) threads = 1;
  const Automata automata(a, scores, threads);
  const std::int32_t highest = a.fsas() == 0 ? -1 : *std::max_element(automata.highest.begin(), automata.highest.end());
  if (highest >= std::int64_t(dense.columns) - 1) {
    fst_error("intersect_dense: label ", highest, " in the automata, and the network has ", dense.columns - 1,
              " classes, 0 to ", std::int64_t(dense.columns) - 2);
  }
  std::vector<Intersection<T>> parts;
  parts.reserve(b_of.size());
  for (std::size_t i = 0; i < b_of.size(); ++i) parts.emplace_back(automata, dense, a_of[i], b_of[i]);
  // The longest first, so that no thread is left alone with it.
  const auto rows = [&](std::size_t i) { return dense.row_splits[b_of[i] + 1] - dense.row_splits[b_of[i]]; };
  std::vector<std::size_t> order(parts.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return rows(i) > rows(j); });
  parallel_for(parts.size(), threads, [&](std::size_t i) { parts[order[i]].find(limits); });

  std::vector<std::size_t> arcs{0}, states{0};
  FsaLattice<T> result;
  for (const Intersection<T>& part : parts) {
    arcs.push_back(arcs.back() + part.num_arcs());
    states.push_back(states.back() + part.num_states());
    result.batch.fsa_splits.push_back(std::int32_t(states.back()));
  }
  check_numbered(states.back(), arcs.back(), "intersect_dense");
  result.batch.arcs.resize_for_overwrite(4 * arcs.back());
  result.batch.map_a.resize_for_overwrite(arcs.back());
  result.batch.map_b.resize_for_overwrite(arcs.back());
  result.batch.state_splits.resize_for_overwrite(states.back() + 1);
  result.scores.resize_for_overwrite(arcs.back());
  parallel_for(parts.size(), threads,
               [&](std::size_t i) { parts[order[i]].write(result, scores, arcs[order[i]], states[order[i]]); });
  return result;
}

template FsaLattice<float> fsa_intersect_dense(const FsaGraphs&, const float*, const DenseFsas<float>&,
                                               std::span<const std::int32_t>, std::span<const std::int32_t>,
                                               const DenseLimits&, int);
template FsaLattice<double> fsa_intersect_dense(const FsaGraphs&, const double*, const DenseFsas<double>&,
                                                std::span<const std::int32_t>, std::span<const std::int32_t>,
                                                const DenseLimits&, int);

}  // namespace sonant

#include "fsa/frames.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "fsa/frames_kernel.h"
#include "fst/error.h"
#include "fst/work.h"
#include "pool.h"

namespace sonant {
namespace {

template <class T>
constexpr T kNone = -std::numeric_limits<T>::infinity();

// Frames times arcs that are done before a second thread is there.
constexpr std::size_t kStepsWorthThreads = 20000;
// Fewer sequences than this on one automaton go through it one by one.
constexpr std::size_t kWorthLanes = 3;

// Memory for whole SIMD vectors.
template <class T>
class Vectors {
 public:
  explicit Vectors(std::size_t count)  // of any values
      : data_(static_cast<T*>(::operator new(std::max<std::size_t>(count, 1) * sizeof(T), std::align_val_t(64)))) {}
  Vectors(std::size_t count, T value) : Vectors(count) { std::fill_n(data_.get(), count, value); }
  T* get() const { return data_.get(); }
  T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Free> data_;
};

// One automaton without its final state: its arcs by the state that they enter and by the one that they leave, and for
// each state the log-sum of its final arcs.
template <class T>
class Machine {
 public:
  Machine(const FsaGraphs& graphs, const T* scores, const FsaFrames<T>& frames, std::size_t fsa) {
    const std::int32_t first = graphs.fsa_splits[fsa];
    states = std::max(0, graphs.fsa_splits[fsa + 1] - first - 1);
    first_arc = graphs.state_splits[first];
    if (states == 0) return;
    const std::int32_t end = graphs.state_splits[first + states];
    final.assign(states, kNone<T>);
    into_begin.assign(states + 1, 0);
    from_begin.assign(states + 1, 0);
    for (std::int32_t a = first_arc; a < end; ++a) {
      const std::int32_t* arc = graphs.arcs.data() + 4 * std::size_t(a);
      if (arc[2] == -1) {
        finals.push_back(a);
        T& sum = final[arc[0]];
        const T more = scores[a], most = std::max(sum, more);
        if (most > kNone<T>) sum = most + std::log(std::exp(sum - most) + std::exp(more - most));
      } else {
        arcs.push_back(a);
        from_other.push_back(arc[1]);
        from_label.push_back(arc[2] + frames.column);
        from_weight.push_back(scores[a]);
        ++into_begin[arc[1] + 1];
        ++from_begin[arc[0] + 1];
      }
    }
    std::partial_sum(into_begin.begin(), into_begin.end(), into_begin.begin());
    std::partial_sum(from_begin.begin(), from_begin.end(), from_begin.begin());
    into_other.resize(arcs.size());
    into_label.resize(arcs.size());
    into_weight.resize(arcs.size());
    std::vector<std::int32_t> next(into_begin.begin(), into_begin.end() - 1);
    for (std::size_t i = 0; i < arcs.size(); ++i) {
      const std::int32_t to = next[from_other[i]]++;
      into_other[to] = graphs.arcs[4 * std::size_t(arcs[i])];
      into_label[to] = from_label[i];
      into_weight[to] = from_weight[i];
    }
  }

  FsaFrameArcs<T> entering() const {
    return {states, into_begin.data(), into_other.data(), into_label.data(), into_weight.data()};
  }
  FsaFrameArcs<T> leaving() const {
    return {states, from_begin.data(), from_other.data(), from_label.data(), from_weight.data()};
  }

  std::int32_t states = 0, first_arc = 0;
  std::vector<std::int32_t> arcs, finals;  // their numbers
  std::vector<std::int32_t> into_begin, into_other, into_label, from_begin, from_other, from_label;
  std::vector<T> into_weight, from_weight, final;
};

// Sequences side by side (or one alone) through one automaton, the longest first. Lanes that have no sequence have one of
// no frames.
template <class T>
class Pass {
 public:
  Pass(const FsaGraphs& graphs, const T* arc_scores, const FsaFrames<T>& frames, const FsaLeak<T>& leak,
       const char* operation, const Machine<T>& machine, const FsaFrameKernel<T>& kernel,
       std::span<const std::int32_t> sequences)
      : graphs_(graphs),
        arc_scores_(arc_scores),
        frames_(frames),
        leak_(leak),
        operation_(operation),
        machine_(machine),
        kernel_(kernel),
        sequences_(sequences),
        width_(std::size_t(kernel.width)),
        size_(std::size_t(machine.states) * width_),
        length_(frames.frames[sequences[0]]),
        work_(operation, {}, sizeof(T), sizeof(T)),
        frame_(width_ == 1 ? 0 : frames.columns * width_, T(0)),
        room_(machine.arcs.size() * width_ + 2 * size_) {
    work_.what = "an automaton of " + std::to_string(machine.states) + " states and " +
                 std::to_string(length_) + " frames";
    occupancy_ = leak.occupancy ? leak.occupancy + graphs.fsa_splits[frames.graph_of[sequences[0]]] : nullptr;
  }

  void operator()(double* totals, const FsaPosteriors<T>& posteriors, const std::int64_t* first_of_arcs) {
    if (machine_.states == 0) {
      for (const std::int32_t i : sequences_) totals[i] = kNone<double>;
      return;
    }
    forward(totals, posteriors.wanted());
    if (posteriors.wanted()) backward(totals, posteriors, first_of_arcs);
  }

 private:
  std::int32_t frames_of(std::size_t lane) const {
    return lane < sequences_.size() ? frames_.frames[sequences_[lane]] : 0;
  }
  const T* row(std::int32_t sequence, std::int32_t t) const {
    return frames_.scores + (std::size_t(frames_.first[sequence]) + t) * frames_.columns;
  }

  // The scores of frame t, [column][lane]; those of sequences that have no such frame are 0.
  const T* frame(std::int32_t t) {
    if (width_ == 1) return row(sequences_[0], t);
    for (std::size_t lane = 0; lane < width_; ++lane) {
      if (t < frames_of(lane)) {
        const T* from = row(sequences_[lane], t);
        for (std::size_t c = 0; c < frames_.columns; ++c) frame_[c * width_ + lane] = from[c];
      } else if (t == frames_of(lane)) {
        for (std::size_t c = 0; c < frames_.columns; ++c) frame_[c * width_ + lane] = 0;
      }
    }
    return frame_.get();
  }

  void check(std::int32_t sequence, std::int32_t t) const {
    const T* scores = row(sequence, t);
    bool good = true;
    for (std::size_t c = 0; c < frames_.columns; ++c) good &= scores[c] < -kNone<T>;
    if (good) return;
    const auto bad = std::find_if(scores, scores + frames_.columns, [](T x) { return !(x < -kNone<T>); });
    fst_error(operation_, ": sequence ", sequence, ", frame ", t, ": the score of label ", bad - scores - frames_.column,
              " is ", *bad, ", expected a number or -inf");
  }

  void leak_forward(T* alpha) {
    if (!occupancy_) return;
    Vectors<T> total(width_);
    kernel_.sum(machine_.states, alpha, nullptr, total.get());
    for (std::size_t lane = 0; lane < width_; ++lane) total[lane] += leak_.coefficient;
    kernel_.add(machine_.states, occupancy_, total.get(), alpha);
  }
  void leak_backward(T* beta) {
    if (!occupancy_) return;
    Vectors<T> total(width_);
    kernel_.sum(machine_.states, beta, occupancy_, total.get());
    for (std::size_t lane = 0; lane < width_; ++lane) total[lane] += leak_.coefficient;
    kernel_.add(machine_.states, nullptr, total.get(), beta);
  }

  // alpha_[t]: after the leak, relative to offsets_[t].
  void forward(double* totals, bool keep) {
    const std::size_t kept = keep ? std::size_t(length_) + 1 : 2;
    work_.made(kept * size_, 0);
    alpha_ = std::make_unique<Vectors<T>>(kept * size_);
    std::fill_n(alpha_->get(), size_, kNone<T>);
    offsets_.assign((std::size_t(length_) + 1) * width_, 0);
    Vectors<T> largest(width_);
    std::fill_n(alpha_->get(), width_, T(0));
    for (std::int32_t t = 0;; ++t) {
      T* alpha = alpha_->get() + (keep ? t : t % 2) * size_;
      if (t > 0) {
        const T* before = alpha_->get() + (keep ? t - 1 : (t - 1) % 2) * size_;
        kernel_.step(machine_.entering(), before, frame(t - 1), room_.get(), alpha, nullptr);
        kernel_.normalize(machine_.states, alpha, largest.get());
        for (std::size_t lane = 0; lane < width_; ++lane) {
          offsets_[t * width_ + lane] = offsets_[(t - 1) * width_ + lane] + double(largest[lane]);
        }
      }
      leak_forward(alpha);
      work_.steps(machine_.arcs.size());
      for (std::size_t lane = 0; lane < sequences_.size(); ++lane) {
        if (frames_of(lane) > t) check(sequences_[lane], t);
        if (frames_of(lane) == t) totals[sequences_[lane]] = end(alpha, lane) + offsets_[t * width_ + lane];
      }
      if (t == length_) return;
    }
  }

  double end(const T* alpha, std::size_t lane) const {
    double largest = kNone<double>, sum = 0;
    for (std::int32_t s = 0; s < machine_.states; ++s) {
      largest = std::max(largest, double(alpha[s * width_ + lane]) + double(machine_.final[s]));
    }
    if (largest == kNone<double>) return largest;
    for (std::int32_t s = 0; s < machine_.states; ++s) {
      sum += std::exp(double(alpha[s * width_ + lane]) + double(machine_.final[s]) - largest);
    }
    return largest + std::log(sum);
  }

  void backward(const double* totals, const FsaPosteriors<T>& posteriors, const std::int64_t* first_of_arcs) {
    Vectors<T> after(size_, kNone<T>), before(size_), largest(width_), shift(width_, kNone<T>);
    Vectors<T> labels(posteriors.scores && width_ > 1 ? frames_.columns * width_ : 0, T(0));
    Vectors<T> arcs(posteriors.arcs ? machine_.arcs.size() * width_ : 0, T(0));
    std::vector<double> offsets(width_, 0);
    T *next = after.get(), *here = before.get();
    for (std::int32_t t = length_;; --t) {
      const T* alpha = alpha_->get() + t * size_;
      if (t < length_) {
        for (std::size_t lane = 0; lane < width_; ++lane) {
          const double total = lane < sequences_.size() ? totals[sequences_[lane]] : kNone<double>;
          const bool there = t < frames_of(lane) && total > kNone<double>;
          shift[lane] = there ? T(offsets_[t * width_ + lane] + offsets[lane] - total) : kNone<T>;
        }
        T* to = width_ > 1 ? labels.get() : posteriors.scores ? posteriors.scores + (row(sequences_[0], t) - frames_.scores)
                                                              : nullptr;
        const FsaFrameShares<T> shares{alpha, shift.get(), posteriors.scores ? to : nullptr,
                                       posteriors.arcs ? arcs.get() : nullptr};
        kernel_.step(machine_.leaving(), next, frame(t), room_.get(), here, &shares);
        if (posteriors.scores && width_ > 1) hand_out(t, labels.get(), posteriors.scores);
        kernel_.normalize(machine_.states, here, largest.get());
        for (std::size_t lane = 0; lane < width_; ++lane) offsets[lane] += double(largest[lane]);
        std::swap(here, next);
        work_.steps(machine_.arcs.size());
      }
      for (std::size_t lane = 0; lane < sequences_.size(); ++lane) {
        if (frames_of(lane) != t) continue;
        for (std::int32_t s = 0; s < machine_.states; ++s) next[s * width_ + lane] = machine_.final[s];
        offsets[lane] = 0;
        if (posteriors.arcs) ends(alpha, lane, totals[sequences_[lane]], posteriors.arcs, first_of_arcs);
      }
      leak_backward(next);
      if (t == 0) break;
    }
    if (!posteriors.arcs) return;
    for (std::size_t lane = 0; lane < sequences_.size(); ++lane) {
      T* to = posteriors.arcs + first_of_arcs[sequences_[lane]] - machine_.first_arc;
      for (std::size_t i = 0; i < machine_.arcs.size(); ++i) to[machine_.arcs[i]] = arcs[i * width_ + lane];
    }
  }

  // The posteriors of frame t, [column][lane], to the rows of their sequences.
  void hand_out(std::int32_t t, T* labels, T* scores) const {
    for (std::size_t lane = 0; lane < sequences_.size(); ++lane) {
      if (t >= frames_of(lane)) continue;
      T* to = scores + (row(sequences_[lane], t) - frames_.scores);
      for (std::size_t c = 0; c < frames_.columns; ++c) to[c] = labels[c * width_ + lane];
    }
    std::fill_n(labels, frames_.columns * width_, T(0));
  }

  // The posteriors of the final arcs.
  void ends(const T* alpha, std::size_t lane, double total, T* arcs, const std::int64_t* first_of_arcs) const {
    if (total == kNone<double>) return;
    const double offset = offsets_[std::size_t(frames_of(lane)) * width_ + lane];
    for (const std::int32_t a : machine_.finals) {
      const std::int32_t s = graphs_.arcs[4 * std::size_t(a)];
      const double score = double(alpha[s * width_ + lane]) + double(arc_scores_[a]) + offset - total;
      arcs[first_of_arcs[sequences_[lane]] + a - machine_.first_arc] = T(std::exp(score));
    }
  }

  const FsaGraphs& graphs_;
  const T* arc_scores_;
  const FsaFrames<T>& frames_;
  const FsaLeak<T>& leak_;
  const char* operation_;
  const Machine<T>& machine_;
  const FsaFrameKernel<T>& kernel_;
  const std::span<const std::int32_t> sequences_;
  const std::size_t width_, size_;
  const std::int32_t length_;
  const T* occupancy_ = nullptr;
  Work work_;
  Vectors<T> frame_, room_;
  std::unique_ptr<Vectors<T>> alpha_;
  std::vector<double> offsets_;
};

template <class T>
const FsaFrameKernel<T>& kernel_for(std::size_t sequences) {
  if constexpr (std::is_same_v<T, float>) {
    if (sequences >= kWorthLanes) return *fsa_frame_kernel_side_by_side();
  }
  (void)sequences;
  return *fsa_frame_kernel_alone<T>();
}

template <class T>
void check_arcs(const FsaGraphs& graphs, const T* scores, const FsaFrames<T>& frames, const char* operation) {
  for (std::size_t a = 0; a < graphs.arcs.size() / 4; ++a) {
    const std::int32_t label = graphs.arcs[4 * a + 2];
    if (label != -1 && std::size_t(label) + frames.column >= frames.columns) {
      fst_error(operation, ": label ", label, " in the automata, and the network has ", frames.columns - frames.column,
                " classes, 0 to ", std::int64_t(frames.columns) - frames.column - 1);
    }
    if (!(scores[a] < -kNone<T>)) {
      fst_error(operation, ": the score of arc ", a, " is ", scores[a], ", expected a number or -inf");
    }
  }
}

// The rows of sequences are there, and no row is of two.
template <class T>
void check_rows(const FsaFrames<T>& frames, const char* operation) {
  std::vector<std::int32_t> order(frames.sequences());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return std::pair(frames.first[a], frames.frames[a]) < std::pair(frames.first[b], frames.frames[b]);
  });
  std::int64_t free = 0;
  for (const std::int32_t i : order) {
    const std::int64_t first = frames.first[i], end = first + frames.frames[i];
    if (frames.frames[i] < 0 || first < free || end > std::int64_t(frames.rows)) {
      fst_error(operation, ": sequence ", i, " of rows ", first, " to ", end, " (exclusive), expected rows of its own, of ",
                frames.rows);
    }
    free = end;
  }
}

}  // namespace

template <class T>
void fsa_frame_totals(const FsaGraphs& graphs, const T* arc_scores, const FsaFrames<T>& frames, const FsaLeak<T>& leak,
                      const char* operation, double* totals, const FsaPosteriors<T>& posteriors, int threads) {
  check_arcs(graphs, arc_scores, frames, operation);
  check_rows(frames, operation);
  const std::size_t count = frames.sequences();
  std::vector<std::int64_t> first_of_arcs(count + 1, 0);
  std::vector<std::vector<std::int32_t>> sequences(graphs.fsas());
  std::size_t steps = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t g = frames.graph_of[i];
    const std::int32_t arcs = graphs.state_splits[graphs.fsa_splits[g + 1]] - graphs.state_splits[graphs.fsa_splits[g]];
    first_of_arcs[i + 1] = first_of_arcs[i] + arcs;
    steps += std::size_t(arcs) * std::size_t(frames.frames[i]);
    sequences[g].push_back(std::int32_t(i));
  }
  struct Task {
    std::size_t graph, begin, end;
  };
  std::vector<Task> tasks;
  std::vector<std::unique_ptr<Machine<T>>> machines(graphs.fsas());
  for (std::size_t g = 0; g < graphs.fsas(); ++g) {
    std::vector<std::int32_t>& those = sequences[g];
    if (those.empty()) continue;
    machines[g] = std::make_unique<Machine<T>>(graphs, arc_scores, frames, g);
    // Those of like lengths go side by side.
    std::sort(those.begin(), those.end(), [&](auto a, auto b) { return frames.frames[a] > frames.frames[b]; });
    const std::size_t width = std::size_t(kernel_for<T>(those.size()).width);
    for (std::size_t i = 0; i < those.size(); i += width) tasks.push_back({g, i, std::min(i + width, those.size())});
  }
  parallel_for(tasks.size(), steps < kStepsWorthThreads ? 1 : threads, [&](std::size_t i) {
    const Task& task = tasks[i];
    const std::span<const std::int32_t> all = sequences[task.graph];
    Pass<T>(graphs, arc_scores, frames, leak, operation, *machines[task.graph], kernel_for<T>(all.size()),
            all.subspan(task.begin, task.end - task.begin))(totals, posteriors, first_of_arcs.data());
  });
}

template void fsa_frame_totals(const FsaGraphs&, const float*, const FsaFrames<float>&, const FsaLeak<float>&, const char*,
                               double*, const FsaPosteriors<float>&, int);
template void fsa_frame_totals(const FsaGraphs&, const double*, const FsaFrames<double>&, const FsaLeak<double>&,
                               const char*, double*, const FsaPosteriors<double>&, int);

}  // namespace sonant

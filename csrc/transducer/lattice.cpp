#include "transducer/lattice.h"

#include <cmath>
#include <limits>
#include <vector>

#include "pool.h"

namespace sonant {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  const double larger = a > b ? a : b;
  if (!(larger > kNone)) return a + b;  // both impossible, or one is no number
  return larger + std::log1p(std::exp((a > b ? b : a) - larger));
}

// exp of what is 0 or less, but for rounding; below this nothing is left of it in any sum with 1.
double share(double x) { return x < -104 ? 0 : std::exp(x); }

// One recording: forward scores of all its cells, then backward ones, a row at a time.
template <class T>
class Lattice {
 public:
  Lattice(const TransducerLattices<T>& of, std::size_t b)
      : of_(of), b_(b), frames_(of.frames[b]), tokens_(of.tokens[b]), width_(tokens_ + 1) {}

  double total() {
    alpha_.assign(std::size_t(frames_ + 1) * std::size_t(width_), kNone);
    alpha_[0] = 0;
    for (std::int64_t t = 0; t <= frames_; ++t) {
      double* here = row(t);
      if (t > 0) {
        const double* before = row(t - 1);
        for (std::int64_t u = 0; u < width_; ++u) here[u] = before[u] + blank(t - 1, u);
        for (std::int64_t u = 1; of_.diagonal && u < width_; ++u) {
          here[u] = log_add(here[u], before[u - 1] + emit(t - 1, u - 1));
        }
      }
      for (std::int64_t u = 1; says(t) && u < width_; ++u) here[u] = log_add(here[u], here[u - 1] + emit(t, u - 1));
    }
    return row(frames_)[tokens_];
  }

  void occupancies(double total, const TransducerScores<T>& of_blank, const TransducerScores<T>& of_emit) {
    std::vector<double> next(std::size_t(width_ + 1), kNone), here(std::size_t(width_ + 1), kNone);
    for (std::int64_t t = frames_; t >= 0; --t) {
      const double* alpha = row(t);
      for (std::int64_t u = tokens_; u >= 0; --u) {
        double beta = t == frames_ && u == tokens_ ? 0 : kNone;
        if (t < frames_) {
          const double way = blank(t, u) + next[u];
          of_blank.at(b_, t, u) = T(share(alpha[u] + way - total));
          beta = way;
        }
        if (u < tokens_ && (of_.diagonal ? t < frames_ : says(t))) {
          const double way = emit(t, u) + (of_.diagonal ? next : here)[u + 1];
          of_emit.at(b_, t, u) = T(share(alpha[u] + way - total));
          beta = log_add(beta, way);
        }
        here[u] = beta;
      }
      next.swap(here);
    }
  }

 private:
  // Whether tokens are said between frames, at t.
  bool says(std::int64_t t) const { return !of_.diagonal && (t < frames_ || of_.emit.rows > of_.blank.rows); }
  double* row(std::int64_t t) { return alpha_.data() + t * width_; }
  double blank(std::int64_t t, std::int64_t u) const { return double(of_.blank.at(b_, t, u)); }
  double emit(std::int64_t t, std::int64_t u) const { return double(of_.emit.at(b_, t, u)); }

  const TransducerLattices<T>& of_;
  const std::size_t b_;
  const std::int64_t frames_, tokens_, width_;
  std::vector<double> alpha_;
};

template <class T>
void clear(const TransducerScores<T>& scores, std::size_t b) {
  for (std::int64_t t = 0; t < scores.rows; ++t) {
    for (std::int64_t u = 0; u < scores.columns; ++u) scores.at(b, t, u) = 0;
  }
}

}  // namespace

template <class T>
void transducer_totals(const TransducerLattices<T>& lattices, double* totals, const TransducerScores<T>* blank_occupancy,
                       const TransducerScores<T>* emit_occupancy, int threads) {
  parallel_for(lattices.frames.size(), threads, [&](std::size_t b) {
    Lattice<T> lattice(lattices, b);
    totals[b] = lattice.total();
    if (!blank_occupancy) return;
    clear(*blank_occupancy, b);
    clear(*emit_occupancy, b);
    if (totals[b] != kNone) lattice.occupancies(totals[b], *blank_occupancy, *emit_occupancy);
  });
}

template void transducer_totals(const TransducerLattices<float>&, double*, const TransducerScores<float>*,
                                const TransducerScores<float>*, int);
template void transducer_totals(const TransducerLattices<double>&, double*, const TransducerScores<double>*,
                                const TransducerScores<double>*, int);

}  // namespace sonant

#include "transducer/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lanes.h"

namespace sonant {
namespace {

template <class T>
constexpr T kNone = -std::numeric_limits<T>::infinity();

// W elements in memory, where nothing is known of their alignment.
template <int W>
struct Unaligned {
  typedef float F __attribute__((vector_size(W * sizeof(float)), may_alias, aligned(4)));
};
template <int W>
SONANT_INLINE LanesF<W> load(const float* x) {
  return (LanesF<W>)*reinterpret_cast<const typename Unaligned<W>::F*>(x);
}
template <int W>
SONANT_INLINE void store(float* x, const LanesF<W>& values) {
  *reinterpret_cast<typename Unaligned<W>::F*>(x) = (typename Unaligned<W>::F)values;
}

// exp, 0 below the smallest normal number; NaN stays what it is.
template <int W>
SONANT_INLINE LanesF<W> exp_of(const LanesF<W>& x) {
  return x < -87.0f ? LanesF<W>{} : exponential<W>(x);
}

template <int W>
SONANT_INLINE float largest_of(std::int64_t columns, const float* logits) {
  LanesF<W> largest = broadcast<W>(kNone<float>);
  std::int64_t v = 0;
  for (; v + W <= columns; v += W) {
    const LanesF<W> x = load<W>(logits + v);
    largest = x > largest ? x : largest;
  }
  float found = kNone<float>;
  for (int lane = 0; lane < W; ++lane) found = std::max(found, largest[lane]);
  for (; v < columns; ++v) found = std::max(found, logits[v]);
  return found;
}

template <int W>
SONANT_INLINE float exp_sum(std::int64_t columns, const float* logits, float shift) {
  // Four sums: one would wait for itself, and lose digits over a large vocabulary.
  LanesF<W> sums[4] = {};
  std::int64_t v = 0;
  for (; v + 4 * W <= columns; v += 4 * W) {
    for (int i = 0; i < 4; ++i) sums[i] += exp_of<W>(load<W>(logits + v + i * W) - shift);
  }
  for (; v + W <= columns; v += W) sums[0] += exp_of<W>(load<W>(logits + v) - shift);
  const LanesF<W> all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float sum = 0;
  for (int lane = 0; lane < W; ++lane) sum += all[lane];
  for (; v < columns; ++v) sum += exp_of<W>(broadcast<W>(logits[v] - shift))[0];
  return sum;
}

// from[v] = scale exp(logits[v] - norm)
template <int W>
SONANT_INLINE void exp_row(std::int64_t columns, const float* logits, float norm, float scale, float* out) {
  std::int64_t v = 0;
  for (; v + W <= columns; v += W) store<W>(out + v, exp_of<W>(load<W>(logits + v) - norm) * scale);
  for (; v < columns; ++v) out[v] = exp_of<W>(broadcast<W>(logits[v] - norm))[0] * scale;
}

template <int W>
SONANT_INLINE double largest_of(std::int64_t columns, const double* logits) {
  double found = kNone<double>;
  for (std::int64_t v = 0; v < columns; ++v) found = std::max(found, logits[v]);
  return found;
}
template <int W>
SONANT_INLINE double exp_sum(std::int64_t columns, const double* logits, double shift) {
  double sum = 0;
  for (std::int64_t v = 0; v < columns; ++v) sum += std::exp(logits[v] - shift);
  return sum;
}
template <int W>
SONANT_INLINE void exp_row(std::int64_t columns, const double* logits, double norm, double scale, double* out) {
  for (std::int64_t v = 0; v < columns; ++v) out[v] = std::exp(logits[v] - norm) * scale;
}

template <int W, class T>
SONANT_INLINE void row_log_probs(std::int64_t columns, const T* logits, TransducerRow of, T* norm, T* blank, T* token) {
  const T shift = largest_of<W>(columns, logits);
  if (shift == kNone<T>) {
    // All impossible, or no numbers, which a sum says.
    T sum = 0;
    for (std::int64_t v = 0; v < columns; ++v) sum += logits[v];
    *norm = *blank = sum;
    *token = of.token < 0 ? T(0) : sum;
    return;
  }
  *norm = shift + std::log(exp_sum<W>(columns, logits, shift));
  *blank = logits[of.blank] - *norm;
  *token = of.token < 0 ? T(0) : logits[of.token] - *norm;
}

template <int W, class T>
SONANT_INLINE void row_gradient(std::int64_t columns, const T* logits, TransducerRow of, T norm, T blank, T token,
                                T* gradient) {
  const T both = of.token < 0 ? blank : blank + token;
  if (both == 0 && blank == 0) {
    std::fill_n(gradient, columns, T(0));
    return;
  }
  exp_row<W>(columns, logits, norm, -both, gradient);
  gradient[of.blank] += blank;
  if (of.token >= 0) gradient[of.token] += token;
}

#define SONANT_ROW_KERNEL(W, TARGET)                                                                                       \
  TARGET void log_probs_##W(std::int64_t columns, const float* logits, TransducerRow of, float* norm, float* blank,       \
                            float* token) {                                                                                \
    row_log_probs<W>(columns, logits, of, norm, blank, token);                                                             \
  }                                                                                                                        \
  TARGET void gradient_##W(std::int64_t columns, const float* logits, TransducerRow of, float norm, float blank,          \
                           float token, float* gradient) {                                                    \
    row_gradient<W>(columns, logits, of, norm, blank, token, gradient);                                             \
  }                                                                                                                        \
  constexpr TransducerRowKernel<float> kernel_##W{&log_probs_##W, &gradient_##W};
SONANT_EACH_WIDTH(SONANT_ROW_KERNEL)
#undef SONANT_ROW_KERNEL

}  // namespace

template <>
const TransducerRowKernel<float>* transducer_row_kernel() {
  static const TransducerRowKernel<float>* const kernel = SONANT_CHOOSE_KERNEL(0, kernel_);
  return kernel;
}

template <>
const TransducerRowKernel<double>* transducer_row_kernel() {
  static constexpr TransducerRowKernel<double> kernel{&row_log_probs<4, double>, &row_gradient<4, double>};
  return &kernel;
}

}  // namespace sonant

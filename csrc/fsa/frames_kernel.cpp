#include "fsa/frames_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lanes.h"

namespace sonant {
namespace {

template <class T>
constexpr T kNone = -std::numeric_limits<T>::infinity();
constexpr float kSmallest = -87.0f;  // whose exponential is the smallest normal number: below it is nothing

// exp and log of W lanes, or of one double. exp of what is below kSmallest is 0.
template <int W>
SONANT_INLINE LanesF<W> exp_of(const LanesF<W>& x) {
  return x > kSmallest ? exponential<W>(x) : LanesF<W>{};
}
template <int W>
SONANT_INLINE LanesF<W> finite(const LanesF<W>& x) {
  return x > kNone<float> ? x : LanesF<W>{};
}
template <int W>
SONANT_INLINE LanesF<W> larger(const LanesF<W>& x, const LanesF<W>& y) {
  return x > y ? x : y;
}
template <int W>
SONANT_INLINE LanesF<W> log_of(const LanesF<W>& sum, const LanesF<W>& shift) {
  return sum > 0.0f ? logarithm<W>(sum) + shift : broadcast<W>(kNone<float>);
}

// ---- W sequences side by side

template <int W>
SONANT_INLINE void step_lanes(const FsaFrameArcs<float>& arcs, const float* in_, const float* frame_, float* room_,
                              float* out_, const FsaFrameShares<float>* shares) {
  using F = LanesF<W>;
  const F* in = reinterpret_cast<const F*>(in_);
  const F* frame = reinterpret_cast<const F*>(frame_);
  F* room = reinterpret_cast<F*>(room_);
  F* out = reinterpret_cast<F*>(out_);
  for (std::int32_t s = 0; s < arcs.states; ++s) {
    const std::int32_t begin = arcs.begin[s], end = arcs.begin[s + 1];
    F largest = broadcast<W>(kNone<float>);
    for (std::int32_t a = begin; a < end; ++a) {
      const F x = in[arcs.other[a]] + frame[arcs.label[a]] + arcs.weight[a];
      room[a - begin] = x;
      largest = larger<W>(x, largest);
    }
    const F shift = finite<W>(largest);
    F sum{};
    for (std::int32_t a = begin; a < end; ++a) {
      const F e = exp_of<W>(room[a - begin] - shift);
      room[a - begin] = e;
      sum += e;
    }
    out[s] = log_of<W>(sum, shift);
    if (!shares) continue;
    const F scale = exp_of<W>(reinterpret_cast<const F*>(shares->alpha)[s] + shift +
                              *reinterpret_cast<const F*>(shares->shift));
    for (std::int32_t a = begin; a < end; ++a) {
      const F share = room[a - begin] * scale;
      if (shares->labels) reinterpret_cast<F*>(shares->labels)[arcs.label[a]] += share;
      if (shares->arcs) reinterpret_cast<F*>(shares->arcs)[a] += share;
    }
  }
}

template <int W>
SONANT_INLINE void sum_lanes(std::int32_t states, const float* values_, const float* weights, float* total) {
  using F = LanesF<W>;
  const F* values = reinterpret_cast<const F*>(values_);
  F largest = broadcast<W>(kNone<float>);
  for (std::int32_t s = 0; s < states; ++s) {
    largest = larger<W>(weights ? values[s] + weights[s] : values[s], largest);
  }
  const F shift = finite<W>(largest);
  F sum{};
  for (std::int32_t s = 0; s < states; ++s) {
    sum += exp_of<W>((weights ? values[s] + weights[s] : values[s]) - shift);
  }
  *reinterpret_cast<F*>(total) = log_of<W>(sum, shift);
}

template <int W>
SONANT_INLINE void add_lanes(std::int32_t states, const float* weights, const float* total, float* values_) {
  using F = LanesF<W>;
  F* values = reinterpret_cast<F*>(values_);
  for (std::int32_t s = 0; s < states; ++s) {
    const F x = values[s], y = *reinterpret_cast<const F*>(total) + (weights ? weights[s] : 0.0f);
    const F shift = finite<W>(larger<W>(x, y));
    values[s] = log_of<W>(exp_of<W>(x - shift) + exp_of<W>(y - shift), shift);
  }
}

template <int W>
SONANT_INLINE void normalize_lanes(std::int32_t states, float* values_, float* largest) {
  using F = LanesF<W>;
  F* values = reinterpret_cast<F*>(values_);
  F most = broadcast<W>(kNone<float>);
  for (std::int32_t s = 0; s < states; ++s) most = larger<W>(values[s], most);
  most = finite<W>(most);
  for (std::int32_t s = 0; s < states; ++s) values[s] -= most;
  *reinterpret_cast<F*>(largest) = most;
}

// ---- One sequence alone: what can be done for all arcs at once is done W at a time

// x = exp x, y = y > 0 ? log y + shift : -inf.
template <int W>
SONANT_INLINE void exp_all(std::int32_t count, float* x) {
  std::int32_t i = 0;
  typedef float F __attribute__((vector_size(W * sizeof(float)), may_alias, aligned(4)));
  for (; i + W <= count; i += W) {
    *reinterpret_cast<F*>(x + i) = (F)exp_of<W>((LanesF<W>)*reinterpret_cast<F*>(x + i));
  }
  for (; i < count; ++i) x[i] = exp_of<W>(broadcast<W>(x[i]))[0];
}
template <int W>
SONANT_INLINE void log_all(std::int32_t count, const float* shift, float* y) {
  std::int32_t i = 0;
  typedef float F __attribute__((vector_size(W * sizeof(float)), may_alias, aligned(4)));
  for (; i + W <= count; i += W) {
    *reinterpret_cast<F*>(y + i) = (F)log_of<W>((LanesF<W>)*reinterpret_cast<F*>(y + i),
                                                (LanesF<W>)*reinterpret_cast<const F*>(shift + i));
  }
  for (; i < count; ++i) y[i] = log_of<W>(broadcast<W>(y[i]), broadcast<W>(shift[i]))[0];
}
template <int W>
SONANT_INLINE void exp_all(std::int32_t count, double* x) {
  for (std::int32_t i = 0; i < count; ++i) x[i] = std::exp(x[i]);
}
template <int W>
SONANT_INLINE void log_all(std::int32_t count, const double* shift, double* y) {
  for (std::int32_t i = 0; i < count; ++i) y[i] = y[i] > 0 ? std::log(y[i]) + shift[i] : kNone<double>;
}
template <class T>
SONANT_INLINE T finite_one(T x) {
  return x > kNone<T> ? x : T(0);
}

// `room`: a value for each arc, then two for each state.
template <class T, int W>
SONANT_INLINE void step_alone(const FsaFrameArcs<T>& arcs, const T* in, const T* frame, T* room, T* out,
                              const FsaFrameShares<T>* shares) {
  const std::int32_t count = arcs.begin[arcs.states];
  T* shift = room + count;
  T* scale = shift + arcs.states;
  for (std::int32_t a = 0; a < count; ++a) room[a] = in[arcs.other[a]] + frame[arcs.label[a]] + arcs.weight[a];
  for (std::int32_t s = 0; s < arcs.states; ++s) {
    T largest = kNone<T>;
    for (std::int32_t a = arcs.begin[s]; a < arcs.begin[s + 1]; ++a) largest = room[a] > largest ? room[a] : largest;
    shift[s] = finite_one(largest);
    for (std::int32_t a = arcs.begin[s]; a < arcs.begin[s + 1]; ++a) room[a] -= shift[s];
  }
  exp_all<W>(count, room);
  for (std::int32_t s = 0; s < arcs.states; ++s) {
    T sum = 0;
    for (std::int32_t a = arcs.begin[s]; a < arcs.begin[s + 1]; ++a) sum += room[a];
    out[s] = sum;
  }
  log_all<W>(arcs.states, shift, out);
  if (!shares) return;
  for (std::int32_t s = 0; s < arcs.states; ++s) scale[s] = shares->alpha[s] + shift[s] + *shares->shift;
  exp_all<W>(arcs.states, scale);
  for (std::int32_t s = 0; s < arcs.states; ++s) {
    for (std::int32_t a = arcs.begin[s]; a < arcs.begin[s + 1]; ++a) {
      const T share = room[a] * scale[s];
      if (shares->labels) shares->labels[arcs.label[a]] += share;
      if (shares->arcs) shares->arcs[a] += share;
    }
  }
}

template <class T>
void sum_alone(std::int32_t states, const T* values, const T* weights, T* total) {
  T largest = kNone<T>, sum = 0;
  for (std::int32_t s = 0; s < states; ++s) largest = std::max(largest, weights ? values[s] + weights[s] : values[s]);
  const T shift = finite_one(largest);
  for (std::int32_t s = 0; s < states; ++s) sum += std::exp((weights ? values[s] + weights[s] : values[s]) - shift);
  *total = sum > 0 ? std::log(sum) + shift : kNone<T>;
}

template <class T>
void add_alone(std::int32_t states, const T* weights, const T* total, T* values) {
  for (std::int32_t s = 0; s < states; ++s) {
    const T x = values[s], y = *total + (weights ? weights[s] : T(0));
    const T shift = std::max(x, y);
    values[s] = shift == kNone<T> ? shift : shift + std::log(std::exp(x - shift) + std::exp(y - shift));
  }
}

template <class T>
void normalize_alone(std::int32_t states, T* values, T* largest) {
  T most = kNone<T>;
  for (std::int32_t s = 0; s < states; ++s) most = std::max(most, values[s]);
  *largest = finite_one(most);
  for (std::int32_t s = 0; s < states; ++s) values[s] -= *largest;
}

#define SONANT_FRAME_KERNEL(W, TARGET)                                                                                 \
  TARGET void step_##W(const FsaFrameArcs<float>& arcs, const float* in, const float* frame, float* room, float* out,     \
                       const FsaFrameShares<float>* shares) {                                                             \
    step_lanes<W>(arcs, in, frame, room, out, shares);                                                                 \
  }                                                                                                                    \
  TARGET void sum_##W(std::int32_t states, const float* values, const float* weights, float* total) {                  \
    sum_lanes<W>(states, values, weights, total);                                                                      \
  }                                                                                                                    \
  TARGET void add_##W(std::int32_t states, const float* weights, const float* total, float* values) {                  \
    add_lanes<W>(states, weights, total, values);                                                                      \
  }                                                                                                                    \
  TARGET void normalize_##W(std::int32_t states, float* values, float* largest) {                                      \
    normalize_lanes<W>(states, values, largest);                                                                       \
  }                                                                                                                    \
  TARGET void alone_##W(const FsaFrameArcs<float>& arcs, const float* in, const float* frame, float* room, float* out,    \
                        const FsaFrameShares<float>* shares) {                                                            \
    step_alone<float, W>(arcs, in, frame, room, out, shares);                                                          \
  }                                                                                                                    \
  constexpr FsaFrameKernel<float> side_by_side_##W{W, step_##W, sum_##W, add_##W, normalize_##W};                         \
  constexpr FsaFrameKernel<float> kernel_alone_##W{1, alone_##W, sum_alone<float>, add_alone<float>,                      \
                                                normalize_alone<float>};

SONANT_EACH_WIDTH(SONANT_FRAME_KERNEL)

void step_double(const FsaFrameArcs<double>& arcs, const double* in, const double* frame, double* room, double* out,
                 const FsaFrameShares<double>* shares) {
  step_alone<double, 1>(arcs, in, frame, room, out, shares);
}
constexpr FsaFrameKernel<double> kernel_double{1, step_double, sum_alone<double>, add_alone<double>,
                                            normalize_alone<double>};

}  // namespace

template <>
const FsaFrameKernel<float>* fsa_frame_kernel_alone() {
  return SONANT_CHOOSE_KERNEL(0, kernel_alone_);
}

template <>
const FsaFrameKernel<double>* fsa_frame_kernel_alone() {
  return &kernel_double;
}

const FsaFrameKernel<float>* fsa_frame_kernel_side_by_side() {
  return SONANT_CHOOSE_KERNEL(0, side_by_side_);
}

}  // namespace sonant

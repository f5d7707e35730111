// The loops of frames.cpp over the arcs of one automaton and one frame, compiled for each instruction set.
#pragma once

#include <cstdint>

namespace sonant {

// Arcs by the state that their sum is for: the one they enter (forward) or leave (backward).
template <class T>
struct FsaFrameArcs {
  std::int32_t states;
  const std::int32_t* begin;  // states + 1
  const std::int32_t* other;  // the state at the other end
  const std::int32_t* label;  // column of the frame's scores
  const T* weight;
};

// What a backward step adds up: `shares` of labels (columns x width) and of arcs (arcs x width; either may be null), given
// the forward scores of the states and what to add to them so that shares are posteriors (width).
template <class T>
struct FsaFrameShares {
  const T* alpha;
  const T* shift;
  T* labels;
  T* arcs;
};

template <class T>
struct FsaFrameKernel {
  int width;  // sequences side by side: arrays are [state][width], a frame's scores [column][width]
  // out[s] = log sum over its arcs of exp(in[other] + weight + frame[label]); `room` holds a value for each arc.
  void (*step)(const FsaFrameArcs<T>& arcs, const T* in, const T* frame, T* room, T* out, const FsaFrameShares<T>* shares);
  // total[lane] = log sum over states of exp(values[s] + weights[s]) (weights may be null).
  void (*sum)(std::int32_t states, const T* values, const T* weights, T* total);
  // values[s] = log(exp values[s] + exp(weights[s] + total)) (of weights that are null: 0).
  void (*add)(std::int32_t states, const T* weights, const T* total, T* values);
  // Takes the largest of each lane out of its values: largest[lane], 0 where all are -inf.
  void (*normalize)(std::int32_t states, T* values, T* largest);
};

template <class T>
const FsaFrameKernel<T>* fsa_frame_kernel_alone();
const FsaFrameKernel<float>* fsa_frame_kernel_side_by_side();  // the widest that this processor has

}  // namespace sonant

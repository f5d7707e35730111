// Rows of logits, of which a transducer's loss needs two entries alone: the log-probabilities of blank and of the token
// that comes next; and the gradient of the logits from the gradients of those two.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sonant {

// What is asked of a row. token < 0: there is none to say, and the row has its blank alone.
struct TransducerRow {
  std::int32_t blank, token;
};

template <class T>
struct TransducerRowKernel {
  // norm: log of the sum of exp of the logits; -inf where all are impossible, and then so are blank and token.
  void (*log_probs)(std::int64_t columns, const T* logits, TransducerRow of, T* norm, T* blank, T* token);
  // gradient[v] = [v is blank] blank + [v is token] token - (blank + token) exp(logits[v] - norm). It may lie
  // where the logits lie.
  void (*gradient)(std::int64_t columns, const T* logits, TransducerRow of, T norm, T blank, T token, T* gradient);
};

template <class T>
const TransducerRowKernel<T>* transducer_row_kernel();

}  // namespace sonant

// What changes as it is used (a search that takes an utterance in pieces, a lazy automaton), for Python: it may be asked from
// several threads, and each call drops the GIL first, then locks.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>
#include <utility>

namespace sonant {

template <class Value>
class Guarded {
 public:
  explicit Guarded(Value value) : value_(std::move(value)) {}

  template <class Body>
  auto run(Body body) {
    nanobind::gil_scoped_release release;
    return run_released(body);
  }

  template <class Body>
  auto run_released(Body body) {
    std::lock_guard lock(mutex_);
    return body(value_);
  }

 private:
  std::mutex mutex_;
  Value value_;
};

}  // namespace sonant

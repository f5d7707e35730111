// A search that takes an utterance in pieces, for Python: it may be asked from several threads, and each call drops the GIL
// first, then locks.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>
#include <utility>

namespace sonant {

template <class Search>
class Guarded {
 public:
  explicit Guarded(Search search) : search_(std::move(search)) {}

  template <class Body>
  auto run(Body body) {
    nanobind::gil_scoped_release release;
    return run_released(body);
  }

  template <class Body>
  auto run_released(Body body) {
    std::lock_guard lock(mutex_);
    return body(search_);
  }

 private:
  std::mutex mutex_;
  Search search_;
};

}  // namespace sonant

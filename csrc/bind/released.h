// Work of the native core, done without the GIL.
#pragma once

#include <nanobind/nanobind.h>

namespace sonant {

// Nothing of Python's may be touched in `body`.
template <class Body>
auto released(Body body) {
  nanobind::gil_scoped_release no_gil;
  return body();
}

}  // namespace sonant

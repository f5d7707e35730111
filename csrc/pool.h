// A list of inputs means parallel: parallel_for hands out indices 0..count-1 to threads.
#pragma once

#include <cstddef>
#include <functional>

namespace sonant {

// Number of hardware threads this process may use, at least 1.
int hardware_threads();

// Calls body(i) once for each i < count, from up to `threads` threads (0: all of the hardware's), the caller being one
// of them. Returns when all are done. The first exception thrown by a body is rethrown here; indices not yet started
// then are not started.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& body);

}  // namespace sonant

#pragma once

namespace sonant {

// Asks for memory that is read soon.
inline void prefetch(const void* at) {
#if defined(__GNUC__)
  __builtin_prefetch(at);
#else
  (void)at;
#endif
}

}  // namespace sonant

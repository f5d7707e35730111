#include "array.h"

#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace sonant {

namespace {

#ifdef __linux__
// Whole pages of their own can be moved to other addresses without a copy (mremap).
constexpr std::size_t kLeastPages = std::size_t(1) << 19;
bool in_pages(std::size_t bytes) { return bytes >= kLeastPages; }
#else
bool in_pages(std::size_t) { return false; }
#endif

void* checked(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* resized_memory(void* old, std::size_t old_bytes, std::size_t new_bytes) {
#ifdef __linux__
  const auto mapped = [](void* memory) {
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return memory;
  };
  if (in_pages(old_bytes) && in_pages(new_bytes)) return mapped(mremap(old, old_bytes, new_bytes, MREMAP_MAYMOVE));
  if (in_pages(old_bytes)) {
    void* memory = nullptr;
    if (new_bytes > 0) {
      memory = checked(std::malloc(new_bytes));
      std::memcpy(memory, old, new_bytes);
    }
    munmap(old, old_bytes);
    return memory;
  }
  if (in_pages(new_bytes)) {
    void* memory = mapped(mmap(nullptr, new_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (old_bytes > 0) std::memcpy(memory, old, old_bytes);
    std::free(old);
    return memory;
  }
#endif
  if (new_bytes > 0) return checked(std::realloc(old, new_bytes));
  std::free(old);
  return nullptr;
}

}  // namespace sonant

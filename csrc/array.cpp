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
// Larger pages come in fewer faults; in what is smaller than this they would be filled too little.
constexpr std::size_t kLeastHuge = std::size_t(1) << 22;
void* with_huge_pages(void* memory, std::size_t bytes) {
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (bytes >= kLeastHuge) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without it all is well, too
  return memory;
}
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
  if (in_pages(old_bytes) && in_pages(new_bytes)) {
    return with_huge_pages(mremap(old, old_bytes, new_bytes, MREMAP_MAYMOVE), new_bytes);
  }
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
    constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS;
    void* memory = with_huge_pages(mmap(nullptr, new_bytes, PROT_READ | PROT_WRITE, kind, -1, 0), new_bytes);
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

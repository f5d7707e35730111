#include "array.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

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
constexpr std::size_t kHuge = std::size_t(1) << 21, kLeastHuge = 2 * kHuge;
// What is taken from the system for so many bytes.
std::size_t taken_for(std::size_t bytes) {
  if (!in_pages(bytes)) return bytes;
  const std::size_t unit = bytes < kLeastHuge ? kLeastPages : kHuge;
  return (bytes + unit - 1) / unit * unit;
}

// Memory that the system hands out must be cleared first, which for large results takes longer than to make them. So what
// is given back waits here for a while, and the system may take it meanwhile where memory is short (MADV_FREE).
constexpr std::size_t kMostWaiting = std::size_t(1) << 28;

class Waiting {
 public:
  // Null where there is nothing of this size, or somebody else is here.
  void* take(std::size_t bytes) {
    if (busy_.test_and_set(std::memory_order_acquire)) return nullptr;
    Block* best = nullptr;
    for (Block& block : blocks_) {
      if (block.bytes >= bytes && (best == nullptr || block.bytes < best->bytes)) best = &block;
    }
    void* memory = nullptr;
    if (best != nullptr) {
      memory = std::exchange(best->memory, best->memory + bytes);
      best->bytes -= bytes;
    }
    busy_.clear(std::memory_order_release);
    return memory;
  }
  void give(void* memory, std::size_t bytes) {
    if (bytes > kMostWaiting || busy_.test_and_set(std::memory_order_acquire)) {
      munmap(memory, bytes);
      return;
    }
    madvise(memory, bytes, MADV_FREE);
    drop(blocks_[next_]);
    blocks_[next_] = {static_cast<char*>(memory), bytes};
    next_ = (next_ + 1) % blocks_.size();
    std::size_t all = 0;
    for (const Block& block : blocks_) all += block.bytes;
    for (std::size_t i = next_; all > kMostWaiting; i = (i + 1) % blocks_.size()) {  // the oldest first
      all -= blocks_[i].bytes;
      drop(blocks_[i]);
    }
    busy_.clear(std::memory_order_release);
  }

 private:
  struct Block {
    char* memory = nullptr;
    std::size_t bytes = 0;
  };
  static void drop(Block& block) {
    if (block.bytes > 0) munmap(block.memory, block.bytes);
    block = {};
  }
  std::atomic_flag busy_;
  std::array<Block, 128> blocks_;
  std::size_t next_ = 0;
};
constinit Waiting waiting;

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
  const std::size_t old_taken = taken_for(old_bytes), new_taken = taken_for(new_bytes);
  if (in_pages(old_bytes) && in_pages(new_bytes)) {
    if (old_taken == new_taken) return old;
    return with_huge_pages(mremap(old, old_taken, new_taken, MREMAP_MAYMOVE), new_taken);
  }
  if (in_pages(old_bytes)) {
    void* memory = nullptr;
    if (new_bytes > 0) {
      memory = checked(std::malloc(new_bytes));
      std::memcpy(memory, old, new_bytes);
    }
    waiting.give(old, old_taken);
    return memory;
  }
  if (in_pages(new_bytes)) {
    void* memory = waiting.take(new_taken);
    if (memory == nullptr) {
      constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS;
      memory = with_huge_pages(mmap(nullptr, new_taken, PROT_READ | PROT_WRITE, kind, -1, 0), new_taken);
    }
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

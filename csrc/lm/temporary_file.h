// A file without a name: it is gone as soon as nobody holds it, however the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sonant {

class TemporaryFile {
 public:
  // In this folder. FstError, which names it, where it cannot be written to.
  explicit TemporaryFile(const std::string& folder);
  ~TemporaryFile();
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&& other) noexcept;

  // Behind what was written. FstError where the system refuses: no space, a quota.
  void write(const void* bytes, std::size_t count);
  void read(std::int64_t offset, void* to, std::size_t count) const;
  std::int64_t size() const { return size_; }

 private:
  std::string folder_;
  int fd_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace sonant

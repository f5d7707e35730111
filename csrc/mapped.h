// A file in memory without reading it: pages come when they are touched.
#pragma once

#include <cstddef>
#include <string>

namespace sonant {

class Mapped {
 public:
#ifdef _WIN32
  static constexpr bool possible = false;
#else
  static constexpr bool possible = true;
#endif
  // Throws ArkError where the file cannot be mapped.
  explicit Mapped(const std::string& path);
  ~Mapped();
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  const char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sonant

// Bytes to a file, a pipe or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "files/ark_error.h"

namespace sonant {

class Output {
 public:
  Output(int fd, std::string name, bool close);
  // Keeps the bytes in memory.
  Output();
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  const std::string& name() const { return name_; }
  bool closed() const { return closed_; }
  void put(char c) {
    if (buffer_.size() >= kRoom && fd_ >= 0) flush();
    buffer_.push_back(c);
  }
  void write(const void* bytes, std::size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // ArkError where the system refuses: no space, no reader.
  void flush();
  void close();
  std::int64_t tell() const { return flushed_ + std::int64_t(buffer_.size()); }
  // What was written to memory.
  const std::string& bytes() const { return buffer_; }

 private:
  static constexpr std::size_t kRoom = 1 << 18;
  void write_out(const char* head, std::size_t head_size, const char* body, std::size_t body_size);

  std::string name_ = "memory";
  int fd_ = -1;
  bool close_ = false, closed_ = false;
  std::string buffer_;
  std::int64_t flushed_ = 0;
};

}  // namespace sonant

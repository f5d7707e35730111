// Bytes from a file, a pipe or memory, with a little buffer, and a position for error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "files/ark_error.h"

namespace sonant {

// A part of a file in memory; `offset` must begin a page.
class Mapping {
 public:
  Mapping(int fd, std::int64_t offset, std::size_t count);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  // Null where the system refused, or these bytes of the file are not in here.
  const char* at(std::int64_t offset, std::size_t count) const;

 private:
  const char* pages_ = nullptr;
  std::int64_t offset_;
  std::size_t count_;
};

class Input {
 public:
  static constexpr int kEnd = -1;

  // Reads the descriptor from where it stands (a seekable one by its own position, so that others may share it).
  Input(int fd, std::string name, bool close);
  // Reads bytes in memory.
  Input(std::string bytes, std::string name);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  const std::string& name() const { return name_; }
  bool closed() const { return closed_; }
  void close();

  // The next byte or kEnd, without taking it.
  int peek() { return at_ < end_ || fill() ? static_cast<unsigned char>(*at_) : kEnd; }
  // The byte after the next one, or kEnd.
  int peek_second();
  // Takes the next byte, or returns kEnd.
  int get() { return at_ < end_ || fill() ? static_cast<unsigned char>(*at_++) : kEnd; }
  // What is in the buffer, after filling it if it is empty: empty at the end only.
  std::string_view available();
  void take(std::size_t count) { at_ += count; }

  // Takes up to `count` bytes, fewer only at the end.
  std::size_t read_some(void* to, std::size_t count);
  // Takes `count` bytes; ArkError, which names `what`, where the end comes first.
  void read(void* to, std::size_t count, const char* what);
  void skip(std::int64_t count, const char* what);

  // Position of the next byte.
  std::int64_t tell() const { return position_ - (end_ - at_); }
  void seek(std::int64_t position);
  bool seekable() const { return seekable_; }
  // True once a read has met the end.
  bool ended() const { return ended_; }
  // Bytes from here to the end, or -1 where that is not known (a pipe).
  std::int64_t remaining() const;
  // False where it is known that fewer than `count` bytes are left.
  bool holds(std::int64_t count) const;
  // Takes the next `count` bytes, which must be there, as memory that the file is mapped to, to read only. Null where this
  // is no file. The memory lives as long as `owner`.
  const char* map(std::size_t count, const char* what, std::shared_ptr<Mapping>& owner);

  // Throws ArkError "name:offset: ...", the offset being that of the next byte.
  template <typename... Parts>
  [[noreturn]] void error(const Parts&... parts) {
    ark_error(name_, ":", tell(), ": ", parts...);
  }
  // The next few bytes, quoted for a message.
  std::string next_bytes();
  [[noreturn]] void expected(std::string_view what) { error("expected ", what, ", found ", next_bytes()); }

  // Called where a signal interrupted a read or write; throws if reading should stop.
  static inline void (*on_interrupt)() = nullptr;

 private:
  bool fill();
  std::size_t read_direct(char* to, std::size_t count, bool whatever_is_there);

  std::string name_;
  int fd_ = -1;
  bool close_ = false, seekable_ = false, closed_ = false, ended_ = false;
  std::string memory_;            // the whole input, where it is memory
  std::unique_ptr<char[]> room_;  // the buffer, where it is not
  const char *at_ = nullptr, *end_ = nullptr;
  std::int64_t position_ = 0;     // of the byte after the buffer
  std::shared_ptr<Mapping> window_;
  mutable std::int64_t size_ = 0;  // of the file, when it was last asked for
};

}  // namespace sonant

#include "files/input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sonant {

namespace {

// Small, because what follows a header is read past the buffer into its place.
constexpr std::size_t kRoom = 8192;
// What is mapped at a time: few enough of them that mapping costs nothing, and a bound on what a process is counted for.
constexpr std::int64_t kWindow = std::int64_t(1) << 30;

}  // namespace

Mapping::Mapping(int fd, std::int64_t offset, std::size_t count) : offset_(offset), count_(count) {
  void* pages = mmap(nullptr, count, PROT_READ, MAP_PRIVATE, fd, offset);
  if (pages != MAP_FAILED) pages_ = static_cast<const char*>(pages);
}

Mapping::~Mapping() {
  if (pages_) munmap(const_cast<char*>(pages_), count_);
}

const char* Mapping::at(std::int64_t offset, std::size_t count) const {
  const bool inside = pages_ && offset >= offset_ && offset + std::int64_t(count) <= offset_ + std::int64_t(count_);
  return inside ? pages_ + (offset - offset_) : nullptr;
}

Input::Input(int fd, std::string name, bool close)
    : name_(std::move(name)), fd_(fd), close_(close), room_(new char[kRoom]), at_(room_.get()), end_(room_.get()) {
  const off_t here = lseek(fd, 0, SEEK_CUR);
  seekable_ = here >= 0;
  if (seekable_) position_ = here;
}

Input::Input(std::string bytes, std::string name)
    : name_(std::move(name)), seekable_(true), memory_(std::move(bytes)) {
  at_ = memory_.data();
  end_ = at_ + memory_.size();
  position_ = std::int64_t(memory_.size());
}

Input::~Input() {
  if (close_ && fd_ >= 0) ::close(fd_);
}

void Input::close() {
  if (close_ && fd_ >= 0) ::close(fd_);
  fd_ = -1;
  close_ = false;
  closed_ = true;
  position_ = tell();
  memory_.clear();
  at_ = end_ = nullptr;
}

std::size_t Input::read_direct(char* to, std::size_t count, bool whatever_is_there) {
  if (closed_) error("read after close()");
  if (fd_ < 0) {  // memory: all of it is in the buffer
    ended_ = true;
    return 0;
  }
  std::size_t done = 0;
  while (done < count) {
    const std::size_t want = std::min<std::size_t>(count - done, 1 << 30);
    const ssize_t got = seekable_ ? pread(fd_, to + done, want, position_) : ::read(fd_, to + done, want);
    if (got < 0 && errno == EINTR) {
      if (on_interrupt) on_interrupt();
      continue;
    }
    if (got < 0) error("cannot be read: ", std::strerror(errno));
    if (got == 0) {
      ended_ = true;
      break;
    }
    done += got;
    position_ += got;
    // A pipe gives what it has; to wait for a full buffer would keep back what is already there.
    if (whatever_is_there) break;
  }
  return done;
}

bool Input::fill() {
  if (!room_) {
    if (closed_) error("read after close()");
    ended_ = true;
    return false;
  }
  const std::size_t got = read_direct(room_.get(), kRoom, true);
  at_ = room_.get();
  end_ = at_ + got;
  return got > 0;
}

int Input::peek_second() {
  if (peek() == kEnd) return kEnd;
  if (end_ - at_ < 2 && room_) {
    char* start = room_.get();
    *start = *at_;
    const std::size_t got = read_direct(start + 1, kRoom - 1, true);
    at_ = start;
    end_ = start + 1 + got;
  }
  return end_ - at_ < 2 ? kEnd : static_cast<unsigned char>(at_[1]);
}

std::string_view Input::available() {
  peek();
  return {at_, std::size_t(end_ - at_)};
}

std::size_t Input::read_some(void* to, std::size_t count) {
  const std::size_t buffered = std::min<std::size_t>(count, end_ - at_);
  if (buffered) std::memcpy(to, at_, buffered);
  at_ += buffered;
  std::size_t done = buffered;
  if (done == count) return done;
  if (count - done >= kRoom) return done + read_direct(static_cast<char*>(to) + done, count - done, false);
  while (done < count && fill()) {
    const std::size_t part = std::min<std::size_t>(count - done, end_ - at_);
    std::memcpy(static_cast<char*>(to) + done, at_, part);
    at_ += part;
    done += part;
  }
  return done;
}

void Input::read(void* to, std::size_t count, const char* what) {
  const std::int64_t start = tell();
  const std::size_t got = read_some(to, count);
  if (got < count) {
    ark_error(name_, ":", start, ": expected ", count, " bytes of ", what, ", found the end after ", got,
              ": the file is cut off, or is not what it is read as");
  }
}

void Input::skip(std::int64_t count, const char* what) {
  const std::int64_t start = tell();
  if (seekable_ && count > end_ - at_) {
    const std::int64_t left = remaining();
    if (left >= count) return seek(tell() + count);
  }
  std::int64_t done = 0;
  while (done < count && peek() != kEnd) {
    const std::int64_t part = std::min<std::int64_t>(count - done, end_ - at_);
    at_ += part;
    done += part;
  }
  if (done < count) {
    ark_error(name_, ":", start, ": expected ", count, " bytes of ", what, ", found the end after ", done,
              ": the file is cut off, or is not what it is read as");
  }
}

void Input::seek(std::int64_t position) {
  if (closed_) error("seek after close()");
  if (!seekable_) error("cannot go to offset ", position, ": this is a pipe");
  if (position < 0) error("cannot go to offset ", position, "; expected 0 or more");
  if (!room_) {
    if (position > std::int64_t(memory_.size())) {
      error("cannot go to offset ", position, " of ", memory_.size(), " bytes");
    }
    at_ = memory_.data() + position;
  } else if (const std::int64_t first = position_ - (end_ - room_.get()); position >= first && position <= position_) {
    at_ = room_.get() + (position - first);
  } else {
    position_ = position;
    at_ = end_ = room_.get();
  }
}

bool Input::holds(std::int64_t count) const {
  // To ask the system for every small object would take longer than to read it. A file that shrinks shows when it is read.
  return (room_ && tell() + count <= size_) || count <= remaining() || remaining() < 0;
}

std::int64_t Input::remaining() const {
  if (!room_) return end_ - at_;
  struct stat status;
  if (!seekable_ || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) return -1;
  size_ = status.st_size;
  return std::max<std::int64_t>(0, size_ - position_) + (end_ - at_);
}

const char* Input::map(std::size_t count, const char* what, std::shared_ptr<Mapping>& owner) {
  if (!room_ || !seekable_ || count == 0 || !holds(std::int64_t(count))) {
    if (room_ && seekable_ && remaining() >= 0 && !holds(std::int64_t(count))) {
      error("expected ", count, " bytes of ", what, ", found ", remaining(), ": the file is cut off");
    }
    return nullptr;
  }
  const std::int64_t start = tell();
  const char* data = window_ ? window_->at(start, count) : nullptr;
  if (!data) {
    const std::int64_t first = start / kWindow * kWindow;
    const std::int64_t end = std::max(start + std::int64_t(count), std::min(first + kWindow, start + remaining()));
    window_ = std::make_shared<Mapping>(fd_, first, std::size_t(end - first));
    data = window_->at(start, count);
  }
  if (!data) return nullptr;
  owner = window_;
  seek(start + std::int64_t(count));
  return data;
}

std::string Input::next_bytes() {
  const std::string_view bytes = available().substr(0, 12);
  if (bytes.empty()) return "the end";
  std::string quoted = "'";
  for (const unsigned char c : bytes) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\'' || c == '\\') {
      quoted += {'\\', char(c)};
    } else if (c >= 0x20 && c < 0x7f) {
      quoted += char(c);
    } else {
      constexpr char digits[] = "0123456789abcdef";
      quoted += {'\\', 'x', digits[c >> 4], digits[c & 15]};
    }
  }
  return quoted + "'";
}

}  // namespace sonant

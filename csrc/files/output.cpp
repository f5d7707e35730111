#include "files/output.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "files/input.h"

namespace sonant {

Output::Output(int fd, std::string name, bool close) : name_(std::move(name)), fd_(fd), close_(close) {
  const off_t here = lseek(fd, 0, SEEK_CUR);
  if (here > 0) flushed_ = here;
}

Output::Output() = default;

Output::~Output() {
  if (closed_ || fd_ < 0) return;
  try {
    flush();
  } catch (const std::exception&) {  // close() is where the error is reported
  }
  if (close_) ::close(fd_);
}

void Output::write(const void* bytes, std::size_t count) {
  if (closed_) ark_error(name_, ": written to after close()");
  const char* from = static_cast<const char*>(bytes);
  if (fd_ >= 0 && buffer_.size() + count >= kRoom) {
    // Whole blocks go out from where they lie; file systems take them fastest from the same places of a file on.
    const std::size_t part = (buffer_.size() + count) / kRoom * kRoom - buffer_.size();
    write_out(buffer_.data(), buffer_.size(), from, part);
    from += part;
    count -= part;
  }
  buffer_.append(from, count);
}

void Output::flush() {
  if (fd_ >= 0 && !buffer_.empty()) write_out(buffer_.data(), buffer_.size(), nullptr, 0);
}

void Output::write_out(const char* head, std::size_t head_size, const char* body, std::size_t body_size) {
  iovec parts[2] = {{const_cast<char*>(head), head_size}, {const_cast<char*>(body), body_size}};
  while (parts[0].iov_len + parts[1].iov_len > 0) {
    const int first = parts[0].iov_len == 0 ? 1 : 0;
    ssize_t wrote = writev(fd_, parts + first, 2 - first);
    if (wrote < 0 && errno == EINTR) {
      if (Input::on_interrupt) Input::on_interrupt();
      continue;
    }
    if (wrote < 0) {
      const int why = errno;
      buffer_.clear();
      ark_error(name_, ":", flushed_, ": cannot be written: ", std::strerror(why));
    }
    flushed_ += wrote;
    for (iovec& part : parts) {
      const std::size_t gone = std::min<std::size_t>(part.iov_len, wrote);
      part.iov_base = static_cast<char*>(part.iov_base) + gone;
      part.iov_len -= gone;
      wrote -= gone;
    }
  }
  buffer_.clear();
}

void Output::close() {
  if (closed_) return;
  std::exception_ptr failure;
  try {
    flush();
  } catch (...) {
    failure = std::current_exception();
  }
  closed_ = true;
  const int fd = fd_;
  if (fd_ >= 0) fd_ = -1;
  if (close_ && fd >= 0 && ::close(fd) != 0 && !failure) {
    ark_error(name_, ": cannot be closed: ", std::strerror(errno));
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sonant

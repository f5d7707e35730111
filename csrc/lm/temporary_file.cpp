#include "lm/temporary_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fst/error.h"
#include "files/input.h"

namespace sonant {

TemporaryFile::TemporaryFile(const std::string& folder) : folder_(folder) {
  std::string path = folder + "/sonant-" + std::string(6, 'X');  // for which mkstemp puts letters of its own
  fd_ = mkstemp(path.data());
  if (fd_ < 0) {
    fst_error("the folder of temporary files ", folder, ": ", std::strerror(errno), "; name another one");
  }
  unlink(path.c_str());
}

TemporaryFile::~TemporaryFile() {
  if (fd_ >= 0) close(fd_);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept { *this = std::move(other); }

TemporaryFile& TemporaryFile::operator=(TemporaryFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

void TemporaryFile::write(const void* bytes, std::size_t count) {
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t wrote = pwrite(fd_, from, count, size_);
    if (wrote < 0 && errno == EINTR) {
      if (Input::on_interrupt) Input::on_interrupt();
      continue;
    }
    if (wrote <= 0) {
      fst_error("a temporary file in ", folder_, " cannot grow beyond ", size_, " bytes: ",
                std::strerror(wrote < 0 ? errno : ENOSPC), "; make room, name another folder, or give more memory");
    }
    from += wrote;
    count -= static_cast<std::size_t>(wrote);
    size_ += wrote;
  }
}

void TemporaryFile::read(std::int64_t offset, void* to, std::size_t count) const {
  char* at = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = pread(fd_, at, count, offset);
    if (got < 0 && errno == EINTR) {
      if (Input::on_interrupt) Input::on_interrupt();
      continue;
    }
    if (got <= 0) {
      fst_error("a temporary file in ", folder_, " cannot be read at ", offset, ": ",
                got < 0 ? std::strerror(errno) : "it ends there");
    }
    at += got;
    count -= static_cast<std::size_t>(got);
    offset += got;
  }
}

}  // namespace sonant

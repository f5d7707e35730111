#include "mapped.h"

#include <cerrno>
#include <cstring>

#include "ark_error.h"

#ifdef _WIN32

namespace sonant {

Mapped::Mapped(const std::string& path) { ark_error(path, ": files are not mapped on this system"); }
Mapped::~Mapped() = default;

}  // namespace sonant

#else

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sonant {

Mapped::Mapped(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) ark_error(path, ": ", std::strerror(errno));
  struct stat about;
  void* at = MAP_FAILED;
  if (fstat(fd, &about) == 0 && about.st_size > 0) {
    size_ = static_cast<std::size_t>(about.st_size);
    at = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  const int reason = errno;
  close(fd);
  if (at == MAP_FAILED) ark_error(path, ": cannot be mapped into memory: ", std::strerror(reason));
  data_ = static_cast<const char*>(at);
}

Mapped::~Mapped() {
  if (data_) munmap(const_cast<char*>(data_), size_);
}

}  // namespace sonant

#endif

#include "fst/lines.h"

#include <cstring>

#include "fst/error.h"

namespace sonant {

bool Lines::next(std::string_view& line) {
  std::size_t searched = at_;
  while (true) {
    const char* start = buffer_.data() + searched;
    if (const auto* found = static_cast<const char*>(std::memchr(start, '\n', end_ - searched))) {
      const std::size_t stop = found - buffer_.data();
      line = {buffer_.data() + at_, stop - at_};
      at_ = stop + 1;
      break;
    }
    if (ended_) {
      if (at_ == end_) return false;
      line = {buffer_.data() + at_, end_ - at_};
      at_ = end_;
      break;
    }
    const std::size_t left = end_ - at_;
    if (left > kLongest) {
      fst_error(in_.name(), ":", number_ + 1, ": a line of more than ", kLongest, " bytes: this is no text file");
    }
    std::memmove(buffer_.data(), buffer_.data() + at_, left);
    if (buffer_.size() - left < kBlock) buffer_.resize(left + kBlock);
    const std::size_t got = in_.read_some(buffer_.data() + left, buffer_.size() - left);
    ended_ = got == 0;
    at_ = 0;
    searched = left;
    end_ = left + got;
  }
  ++number_;
  if (number_ % (1 << 16) == 0 && Input::on_interrupt) Input::on_interrupt();
  return true;
}

}  // namespace sonant

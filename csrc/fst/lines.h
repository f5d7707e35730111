// Text by lines, and lines by words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "files/input.h"

namespace sonant {

// Lines of an input, without their ends.
class Lines {
 public:
  explicit Lines(Input& in) : in_(in), buffer_(kBlock) {}
  // False at the end. The line stays until the next call.
  bool next(std::string_view& line);
  std::int64_t number() const { return number_; }

 private:
  static constexpr std::size_t kBlock = 1 << 18, kLongest = 1 << 24;
  Input& in_;
  std::vector<char> buffer_;
  std::size_t at_ = 0, end_ = 0;
  std::int64_t number_ = 0;
  bool ended_ = false;
};

// Calls visit(word) for what blanks part.
template <class Visit>
void each_word(std::string_view line, Visit visit) {
  static constexpr std::array<bool, 256> blank = [] {
    std::array<bool, 256> made = {};
    for (const char c : {' ', '\t', '\r', '\v', '\f'}) made[static_cast<unsigned char>(c)] = true;
    return made;
  }();
  const auto is_blank = [](char c) { return blank[static_cast<unsigned char>(c)]; };
  const char *at = line.data(), *end = at + line.size();
  while (true) {
    while (at < end && is_blank(*at)) ++at;
    if (at == end) return;
    const char* start = at;
    while (at < end && !is_blank(*at)) ++at;
    visit(std::string_view(start, static_cast<std::size_t>(at - start)));
  }
}

}  // namespace sonant

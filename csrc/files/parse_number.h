// Numbers in text, all of it: floats rounded as strtof does it, with a sign, "inf" and "Infinity", without NaN.
#pragma once

#include <charconv>
#include <string_view>

namespace sonant {

template <class Integer>
bool parse_integer(std::string_view text, Integer& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && !text.empty();
}

inline bool parse_float(std::string_view text, float& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) {  // below or beyond what a float can be
    double wide = 0;
    if (std::from_chars(text.data(), end, wide).ec != std::errc()) return false;
    value = static_cast<float>(wide);
    return true;
  }
  return error == std::errc() && stop == end && !text.empty() && value == value;
}

}  // namespace sonant

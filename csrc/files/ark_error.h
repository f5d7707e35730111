#pragma once

#include <sstream>
#include <stdexcept>

namespace sonant {

// Bytes that are not what they should be. The message is what the user reads: name:offset, expected, found, mend.
struct ArkError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <typename... Parts>
[[noreturn]] void ark_error(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw ArkError(message.str());
}

}  // namespace sonant

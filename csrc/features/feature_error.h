#pragma once

#include <sstream>
#include <stdexcept>

namespace sonant {

// Samples or options that no feature can be computed from. The message is what the user reads.
struct FeatureError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

template <typename... Parts>
[[noreturn]] void feature_error(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw FeatureError(message.str());
}

}  // namespace sonant

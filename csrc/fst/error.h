#pragma once

#include <sstream>
#include <stdexcept>

namespace sonant {

// An automaton, or a use of one, that cannot be. The message is what the user reads.
struct FstError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// A state, or an arc of a state, that is not there: FstError and IndexError at once in Python.
struct FstIndexError : FstError {
  using FstError::FstError;
};

template <class Error = FstError, typename... Parts>
[[noreturn]] void fst_error(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(message.str());
}

}  // namespace sonant

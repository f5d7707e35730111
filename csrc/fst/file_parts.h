// What the readers of OpenFst's binary files share. No count of a file is trusted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "files/input.h"

namespace sonant {

template <class T>
T number(Input& in, const char* what) {
  T value;
  in.read(&value, sizeof value, what);
  return value;
}

inline std::string text(Input& in, std::int64_t most, const char* what) {
  const auto length = number<std::int32_t>(in, what);
  if (length < 0 || length > most) in.error(what, " of ", length, " bytes; expected 0 to ", most);
  std::string value;
  while (value.size() < static_cast<std::size_t>(length)) {  // as much at a time as is there
    const std::size_t done = value.size(), part = std::min<std::size_t>(length - done, 1 << 16);
    value.resize(done + part);
    in.read(value.data() + done, part, what);
  }
  return value;
}

// What the header promises, held against the bytes that are there, so that nonsense is named at once.
inline void check_count(Input& in, std::int64_t count, std::uint64_t most, std::size_t bytes_of_one, const char* what) {
  if (count < 0 || static_cast<std::uint64_t>(count) > most) in.error(count, " ", what, "; expected 0 to ", most);
  if (count < 4096) return;  // the end of the input is found soon enough
  const std::int64_t left = in.remaining();
  if (left >= 0 && count > left / static_cast<std::int64_t>(bytes_of_one)) {
    in.error(count, " ", what, " need ", count, " x ", bytes_of_one, " bytes, but only ", left,
             " are left: the file is corrupt or cut off");
  }
}

template <class T>
Array<T> read_table(Input& in, std::int64_t count, const char* what) {
  constexpr std::int64_t part = (1 << 20) / sizeof(T);
  Array<T> table;
  if (in.remaining() >= 0) table.reserve(count);
  while (count > 0) {
    const std::int64_t now = std::min(count, part);
    table.resize_for_overwrite(table.size() + now);
    in.read(&table[table.size() - now], now * sizeof(T), what);
    count -= now;
  }
  return table;
}

}  // namespace sonant

#include "fst/symbols.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <functional>

#include "fst/error.h"

namespace sonant {

namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::int32_t kMagic = 2125658996;

}  // namespace

bool is_plain(const SymbolList& list) {
  const std::size_t count = list.symbols.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (list.keys[i] != static_cast<std::int64_t>(i)) return false;
  }
  // Open addressing: places that hold 1 + the position of a symbol.
  const std::size_t places = std::bit_ceil(2 * count + 1);
  std::vector<std::size_t> table(places, 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t at = std::hash<std::string_view>()(list.symbols[i]) & (places - 1);
    for (; table[at]; at = (at + 1) & (places - 1)) {
      if (list.symbols[table[at] - 1] == list.symbols[i]) return false;
    }
    table[at] = i + 1;
  }
  return true;
}

SymbolList parse_symbols_text(std::string_view text, const std::string& name, bool allow_negative) {
  SymbolList list;
  list.name = name;
  std::size_t number = 0;
  const auto error = [&](const auto&... parts) { fst_error(name, ": line ", number, ": ", parts...); };
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.size(), text.find('\n'));
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    const std::size_t first = line.find_first_not_of(kSpace);
    if (first == line.npos) continue;
    line = line.substr(first, line.find_last_not_of(kSpace) + 1 - first);
    const std::size_t space = line.find_first_of(kSpace);
    const std::size_t second = space == line.npos ? space : line.find_first_not_of(kSpace, space);
    if (second == line.npos || line.find_first_of(kSpace, second) != line.npos) {
      error("'", line.substr(0, 100), "'; expected a symbol and its number");
    }
    const std::string_view digits = line.substr(second);
    std::int64_t key = 0;
    const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), key);
    if (failure != std::errc() || stop != digits.data() + digits.size()) {
      error("'", digits.substr(0, 100), "' is no number of a symbol");
    }
    if (key < 0 && !allow_negative) error("the number ", key, " is negative; expected 0 or more");
    list.symbols.push_back(line.substr(0, space));
    list.keys.push_back(key);
    list.available_key = std::max(list.available_key, key == INT64_MAX ? key : key + 1);
  }
  return list;
}

SymbolList parse_symbols(std::string_view bytes, const std::string& name) {
  SymbolList list;
  const std::size_t whole = bytes.size();
  const auto take = [&](std::size_t count) {
    if (bytes.size() < count) {
      fst_error(name, ":", whole - bytes.size(), ": expected ", count, " bytes of a symbol table, found ",
                bytes.size());
    }
    const std::string_view taken = bytes.substr(0, count);
    bytes.remove_prefix(count);
    return taken;
  };
  const auto number = [&]<class T>(T value) {
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  };
  const auto text = [&] {
    const auto length = number(std::int32_t());
    if (length < 0) fst_error(name, ":", whole - bytes.size(), ": a text of ", length, " bytes");
    return take(static_cast<std::size_t>(length));
  };
  if (number(std::int32_t()) != kMagic) {
    fst_error(name, ": expected a binary symbol table, which begins with the bytes 74 fb b2 7e");
  }
  list.name = text();
  list.available_key = number(std::int64_t());
  const auto count = number(std::int64_t());
  if (count < 0 || static_cast<std::uint64_t>(count) > bytes.size() / 12) {
    fst_error(name, ": ", count, " symbols in ", bytes.size(), " bytes: the file is corrupt or cut off");
  }
  for (std::int64_t i = 0; i < count; ++i) {
    list.symbols.push_back(text());
    list.keys.push_back(number(std::int64_t()));
  }
  return list;
}

std::string print_symbols(const SymbolList& list) {
  std::string bytes;
  const auto number = [&](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto text = [&](std::string_view value) {
    number(static_cast<std::int32_t>(value.size()));
    bytes += value;
  };
  number(kMagic);
  text(list.name);
  number(list.available_key);
  number(static_cast<std::int64_t>(list.symbols.size()));
  for (std::size_t i = 0; i < list.symbols.size(); ++i) {
    text(list.symbols[i]);
    number(list.keys[i]);
  }
  return bytes;
}

std::string print_symbols_text(const SymbolList& list) {
  std::string text;
  for (std::size_t i = 0; i < list.symbols.size(); ++i) {
    char digits[24];
    text += list.symbols[i];
    text += '\t';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, list.keys[i]).ptr);
    text += '\n';
  }
  return text;
}

}  // namespace sonant

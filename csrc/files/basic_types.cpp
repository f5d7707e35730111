#include "files/basic_types.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <type_traits>

namespace sonant {

static_assert(std::endian::native == std::endian::little, "Kaldi's files are little-endian, and are read as they are");

namespace {

constexpr std::size_t kLongestToken = 1 << 16, kLongestNumber = 400;

// Takes what precedes the next white space, or `also_stop`.
std::string read_word(Input& in, std::size_t longest, char also_stop = ' ') {
  std::string word;
  for (;;) {
    const std::string_view bytes = in.available();
    std::size_t length = 0;
    while (length < bytes.size() && !is_space(static_cast<unsigned char>(bytes[length])) && bytes[length] != also_stop) {
      ++length;
    }
    word.append(bytes.substr(0, length));
    in.take(length);
    if (bytes.empty() || length < bytes.size()) return word;
    if (word.size() > longest) in.error("expected a word, found more than ", longest, " bytes without a space");
  }
}

template <typename T>
T read_raw(Input& in, const char* what) {
  T value;
  in.read(&value, sizeof(T), what);
  return value;
}

std::pair<std::int64_t, std::int64_t> limits(int size, bool is_signed) {
  if (is_signed) {
    const std::int64_t highest = std::numeric_limits<std::int64_t>::max() >> (64 - 8 * size);
    return {-highest - 1, highest};
  }
  return {0, size == 8 ? std::numeric_limits<std::int64_t>::max() : (std::int64_t(1) << (8 * size)) - 1};
}

void expect_size_byte(Input& in, int expected, const char* what) {
  const int found = in.peek();
  if (found == Input::kEnd || static_cast<signed char>(found) != expected) {
    in.error("expected ", what, " of ", expected < 0 ? -expected : expected, " bytes (size byte ", expected, "), found ",
             in.next_bytes());
  }
  in.get();
}

// A bracket, and what stands behind it.
void expect_bracket(Input& in) {
  skip_space(in);
  if (in.peek() != '[') in.expected("'['");
  in.get();
  skip_space(in);
}

}  // namespace

bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void skip_space(Input& in) {
  while (is_space(in.peek())) in.get();
}

bool read_header(Input& in) {
  if (in.peek() != 0) return false;
  if (in.peek_second() != 'B') in.expected("'\\0B', which begins a binary object");
  in.take(2);
  return true;
}

void write_header(Output& out, bool binary) {
  if (binary) out.write(std::string_view("\0B", 2));
}

std::string read_token(Input& in, bool binary) {
  if (!binary) skip_space(in);
  std::string token = read_word(in, kLongestToken);
  if (token.empty()) in.expected("a token");
  if (in.peek() == Input::kEnd) in.error("expected a space after token '", token, "', found the end");
  in.get();
  return token;
}

std::string read_archive_key(Input& in) {
  std::string key = read_word(in, kLongestToken);
  const int next = in.peek();
  if (!is_space(next)) in.error("expected a space after key '", key, "', found ", in.next_bytes());
  if (next != '\n') in.get();
  return key;
}

void expect_token(Input& in, bool binary, std::string_view token) {
  if (!binary) skip_space(in);
  std::string found;
  for (const char c : token) {
    if (in.peek() != static_cast<unsigned char>(c)) break;
    found += c;
    in.get();
  }
  if (found == token && is_space(in.peek())) {
    in.get();
    return;
  }
  const std::string rest = in.next_bytes();
  in.error("expected token '", token, "', found ", found.empty() ? rest : "'" + found + "' and " + rest);
}

int peek_token(Input& in, bool binary) {
  if (!binary) skip_space(in);
  const int first = in.peek();
  return first == '<' ? in.peek_second() : first;
}

void write_token(Output& out, std::string_view token) {
  out.write(token);
  out.put(' ');
}

std::int64_t read_text_integer(Input& in, std::int64_t lowest, std::int64_t highest) {
  skip_space(in);
  const std::int64_t start = in.tell();
  std::string digits;
  while (digits.size() < 24) {
    const int c = in.peek();
    if (!((c >= '0' && c <= '9') || (digits.empty() && (c == '-' || c == '+')))) break;
    digits += char(in.get());
  }
  std::int64_t value = 0;
  const char* first = digits.data() + (digits.starts_with('+') ? 1 : 0);
  const auto [end, failure] = std::from_chars(first, digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size() || value < lowest || value > highest) {
    if (digits.empty()) in.expected("an integer");
    ark_error(in.name(), ":", start, ": expected an integer from ", lowest, " to ", highest, ", found '", digits, "'");
  }
  return value;
}

double read_text_real(Input& in, char also_stop) {
  skip_space(in);
  const std::int64_t start = in.tell();
  const std::string word = read_word(in, kLongestNumber, also_stop);
  const char* first = word.data() + (word.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto [end, failure] = std::from_chars(first, word.data() + word.size(), value);
  if (failure == std::errc::result_out_of_range && end == word.data() + word.size()) {
    // Too small or too large for a double: zero or infinity, as strtod has it.
    return std::strtod(word.c_str(), nullptr);
  }
  if (failure != std::errc() || end != word.data() + word.size()) {
    ark_error(in.name(), ":", start, ": expected a number, found ", word.empty() ? in.next_bytes() : "'" + word + "'");
  }
  return value;
}

template <typename Real>
void write_text_real(Output& out, Real value) {
  char text[32];
  const auto [end, failure] = std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 7);
  out.write(text, end - text);
}

void write_text_integer(Output& out, std::int64_t value) {
  char text[24];
  const auto [end, failure] = std::to_chars(text, text + sizeof(text), value);
  out.write(text, end - text);
}

std::int64_t read_integer(Input& in, bool binary, int size, bool is_signed) {
  if (!binary) {
    const auto [lowest, highest] = limits(size, is_signed);
    return read_text_integer(in, lowest, highest);
  }
  expect_size_byte(in, is_signed ? size : -size, "an integer");
  std::uint64_t bits = 0;
  in.read(&bits, size, "an integer");
  const int unused = 64 - 8 * size;
  return is_signed ? std::int64_t(bits << unused) >> unused : std::int64_t(bits);
}

void write_integer(Output& out, bool binary, std::int64_t value, int size, bool is_signed) {
  const auto [lowest, highest] = limits(size, is_signed);
  if (value < lowest || value > highest) {
    ark_error(out.name(), ": ", value, " does not fit an integer of ", size, " bytes; expected ", lowest, " to ", highest);
  }
  if (binary) {
    out.put(char(is_signed ? size : -size));
    out.write(&value, size);
  } else {
    write_text_integer(out, value);
    out.put(' ');
  }
}

double read_real(Input& in, bool binary) {
  if (!binary) return read_text_real(in);
  const int size = in.peek();
  if (size != 4 && size != 8) in.expected("a float or a double (size byte 4 or 8)");
  in.get();
  return size == 4 ? read_raw<float>(in, "a float") : read_raw<double>(in, "a double");
}

template <typename Real>
void write_real(Output& out, bool binary, Real value) {
  if (binary) {
    out.put(char(sizeof(Real)));
    out.write(&value, sizeof(Real));
  } else {
    write_text_real(out, value);
    out.put(' ');
  }
}

bool read_bool(Input& in, bool binary) {
  if (!binary) skip_space(in);
  const int c = in.peek();
  if (c != 'T' && c != 'F') in.expected("'T' or 'F'");
  in.get();
  return c == 'T';
}

void write_bool(Output& out, bool binary, bool value) {
  out.put(value ? 'T' : 'F');
  if (!binary) out.put(' ');
}

void check_count(Input& in, std::int64_t count, std::int64_t bytes_each, const char* what) {
  if (count < 0) in.error("expected a count of ", what, ", found ", count);
  if (count > std::numeric_limits<std::int64_t>::max() / 2 / bytes_each || !in.holds(count * bytes_each)) {
    in.error("the header promises ", count, " ", what, " of ", bytes_each, " bytes, found ", in.remaining(),
             " bytes to the end: the file is cut off, or is not what it is read as");
  }
}

template <typename Int>
std::vector<Int> read_integers(Input& in, bool binary) {
  std::vector<Int> values;
  if (binary) {
    expect_size_byte(in, std::is_signed_v<Int> ? int(sizeof(Int)) : -int(sizeof(Int)), "integers");
    const std::int64_t count = read_raw<std::int32_t>(in, "a count");
    check_count(in, count, sizeof(Int), "integers");
    // In steps: what comes through a pipe may promise more than it has.
    constexpr std::int64_t step = 1 << 22;
    for (std::int64_t done = 0; done < count; done += step) {
      const std::int64_t part = std::min(step, count - done);
      values.resize(done + part);
      in.read(values.data() + done, part * sizeof(Int), "integers");
    }
    return values;
  }
  expect_bracket(in);
  while (in.peek() != ']') {
    values.push_back(
        Int(read_text_integer(in, std::numeric_limits<Int>::min(), std::int64_t(std::numeric_limits<Int>::max()))));
    skip_space(in);
  }
  in.get();
  return values;
}

template <typename Int>
void write_integers(Output& out, bool binary, const Int* values, std::size_t count) {
  if (count > std::size_t(std::numeric_limits<std::int32_t>::max())) {
    ark_error(out.name(), ": ", count, " integers in one vector; Kaldi's format holds fewer than 2^31");
  }
  if (binary) {
    out.put(char(std::is_signed_v<Int> ? int(sizeof(Int)) : -int(sizeof(Int))));
    const std::int32_t size = std::int32_t(count);
    out.write(&size, sizeof(size));
    out.write(values, count * sizeof(Int));
    return;
  }
  out.write("[ ");
  for (std::size_t i = 0; i < count; ++i) {
    write_text_integer(out, std::int64_t(values[i]));
    out.put(' ');
  }
  out.write("]\n");
}

std::vector<std::int32_t> read_integer_pairs(Input& in, bool binary) {
  constexpr std::int64_t lowest = std::numeric_limits<std::int32_t>::min(), highest = -(lowest + 1);
  std::vector<std::int32_t> values;
  if (binary) {
    expect_size_byte(in, 4, "pairs of integers");
    const std::int64_t count = read_raw<std::int32_t>(in, "a count");
    check_count(in, count, 8, "pairs");
    for (std::int64_t i = 0; i < 2 * count; ++i) values.push_back(read_raw<std::int32_t>(in, "pairs of integers"));
    return values;
  }
  expect_bracket(in);
  while (in.peek() != ']') {
    values.push_back(std::int32_t(read_text_integer(in, lowest, highest)));
    if (in.peek() != ',') in.expected("',' between the integers of a pair");
    in.get();
    values.push_back(std::int32_t(read_text_integer(in, lowest, highest)));
    skip_space(in);
  }
  in.get();
  return values;
}

void write_integer_pairs(Output& out, bool binary, const std::int32_t* pairs, std::size_t count) {
  if (binary) {
    out.put(4);
    const std::int32_t size = std::int32_t(count);
    out.write(&size, sizeof(size));
    out.write(pairs, count * 8);
    return;
  }
  out.write("[ ");
  for (std::size_t i = 0; i < count; ++i) {
    write_text_integer(out, pairs[2 * i]);
    out.put(',');
    write_text_integer(out, pairs[2 * i + 1]);
    out.put(' ');
  }
  out.write("]\n");
}

template void write_text_real(Output&, float);
template void write_text_real(Output&, double);
template void write_real(Output&, bool, float);
template void write_real(Output&, bool, double);
template std::vector<std::int8_t> read_integers(Input&, bool);
template std::vector<std::int32_t> read_integers(Input&, bool);
template void write_integers(Output&, bool, const std::int8_t*, std::size_t);
template void write_integers(Output&, bool, const std::int32_t*, std::size_t);

}  // namespace sonant

#include "files/table_types.h"

#include <cstring>
#include <limits>
#include <type_traits>

#include "files/basic_types.h"

namespace sonant {

namespace {

template <typename T>
T read_value(Input& in, bool binary) {
  if constexpr (std::is_integral_v<T>) {
    return T(read_integer(in, binary, sizeof(T), true));
  } else {
    return T(read_real(in, binary));
  }
}

template <typename T>
void write_value(Output& out, bool binary, T value) {
  if constexpr (std::is_integral_v<T>) {
    write_integer(out, binary, value, sizeof(T), true);
  } else {
    write_real(out, binary, value);
  }
}

std::int64_t read_count(Input& in, std::int64_t bytes_each, const char* what) {
  const std::int64_t count = read_integer(in, true, 4, true);
  check_count(in, count, bytes_each, what);
  return count;
}

void write_count(Output& out, std::size_t count) { write_integer(out, true, std::int64_t(count), 4, true); }

// Values with their size bytes, a block of them at a time.
template <typename T>
void read_values(Input& in, std::int64_t count, std::vector<T>& to) {
  constexpr std::size_t each = sizeof(T) + 1;
  char block[each * 1024];
  while (count > 0) {
    const std::int64_t part = std::min<std::int64_t>(count, 1024);
    if (in.peek() != int(sizeof(T))) {
      // A real of the other size, or none at all.
      to.push_back(read_value<T>(in, true));
      --count;
      continue;
    }
    const std::int64_t start = in.tell();
    in.read(block, part * each, "values");
    for (std::int64_t i = 0; i < part; ++i) {
      if (block[i * each] != char(sizeof(T))) {
        ark_error(in.name(), ":", start + i * std::int64_t(each), ": expected a value of ", sizeof(T),
                  " bytes (size byte ", sizeof(T), "), found size byte ", int(block[i * each]));
      }
      T value;
      std::memcpy(&value, block + i * each + 1, sizeof(T));
      to.push_back(value);
    }
    count -= part;
  }
}

// Passes blanks, and says whether the line goes on.
bool more_on_line(Input& in) {
  int c = in.peek();
  while (is_space(c) && c != '\n') {
    in.get();
    c = in.peek();
  }
  return c != '\n' && c != Input::kEnd;
}

void begin_list(Input& in, const char* what) {
  if (in.peek() == Input::kEnd) in.error("expected ", what, ", found the end: the file is cut off");
}

// A list may be the last line of a file and lack its newline, as for Kaldi; a single value may not.
void end_list(Input& in, const char* what) {
  if (more_on_line(in)) in.error("expected the end of the line behind ", what, ", found ", in.next_bytes());
  in.get();
}

void end_line(Input& in, const char* what) {
  if (in.peek() == Input::kEnd) in.error("expected a newline behind ", what, ", found the end: the file is cut off");
  end_list(in, what);
}

// As the reader of one value, but `stop` may follow it without a space.
template <typename T>
T read_text_value(Input& in, char stop) {
  if constexpr (std::is_integral_v<T>) {
    return T(read_text_integer(in, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  } else {
    return T(read_text_real(in, stop));
  }
}

}  // namespace

template <typename T>
T read_single(Input& in, bool binary) {
  if (binary) return read_value<T>(in, true);
  if (!more_on_line(in)) in.expected("a number on the line");
  const T value = read_text_value<T>(in, ' ');
  more_on_line(in);
  end_line(in, "a number");
  return value;
}

bool read_single_bool(Input& in, bool binary) {
  if (binary) return read_bool(in, true);
  if (!more_on_line(in)) in.expected("'T' or 'F' on the line");
  const bool value = read_bool(in, false);
  more_on_line(in);
  end_line(in, "'T' or 'F'");
  return value;
}

template <typename T>
std::vector<T> read_list(Input& in, bool binary) {
  std::vector<T> values;
  if (binary) {
    read_values(in, read_count(in, sizeof(T) + 1, "values"), values);
    return values;
  }
  begin_list(in, "a list");
  while (more_on_line(in)) values.push_back(read_text_value<T>(in, ' '));
  end_list(in, "a list");
  return values;
}

template <typename T>
void write_list(Output& out, bool binary, const std::vector<T>& values) {
  if (binary) write_count(out, values.size());
  for (const T value : values) write_value(out, binary, value);
  if (!binary) out.put('\n');
}

template <typename T>
Ragged<T> read_lists(Input& in, bool binary) {
  Ragged<T> lists;
  if (binary) {
    const std::int64_t count = read_count(in, 5, "lists");
    for (std::int64_t i = 0; i < count; ++i) {
      read_values(in, read_count(in, sizeof(T) + 1, "values"), lists.values);
      lists.ends.push_back(std::int64_t(lists.values.size()));
    }
    return lists;
  }
  begin_list(in, "lists");
  bool open = false;
  while (more_on_line(in)) {
    open = in.peek() != ';';
    if (open) {
      lists.values.push_back(read_text_value<T>(in, ';'));
    } else {
      in.get();
      lists.ends.push_back(std::int64_t(lists.values.size()));
    }
  }
  if (open) in.expected("';' behind the last list of a line");
  end_list(in, "lists");
  return lists;
}

template <typename T>
void write_lists(Output& out, bool binary, const Ragged<T>& lists) {
  if (binary) write_count(out, lists.ends.size());
  std::int64_t at = 0;
  for (const std::int64_t end : lists.ends) {
    if (binary) write_count(out, end - at);
    for (; at < end; ++at) write_value(out, binary, lists.values[at]);
    if (!binary) out.write("; ");
  }
  if (!binary) out.put('\n');
}

template <typename T>
std::vector<T> read_pairs(Input& in, bool binary) {
  std::vector<T> values;
  if (binary) {
    read_values(in, 2 * read_count(in, 2 * (sizeof(T) + 1), "pairs"), values);
    return values;
  }
  begin_list(in, "pairs");
  while (more_on_line(in)) {
    if (!values.empty()) {
      if (in.peek() != ';') in.expected("';' between pairs");
      in.get();
    }
    for (int i = 0; i < 2; ++i) {
      if (!more_on_line(in)) in.expected("a pair of numbers");
      values.push_back(read_text_value<T>(in, ';'));
    }
  }
  end_list(in, "pairs");
  return values;
}

template <typename T>
void write_pairs(Output& out, bool binary, const std::vector<T>& values) {
  if (binary) write_count(out, values.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!binary && i > 0 && i % 2 == 0) out.write("; ");
    write_value(out, binary, values[i]);
  }
  if (!binary) out.put('\n');
}

FrameWeights read_posterior(Input& in, bool binary) {
  FrameWeights read;
  if (binary) {
    const std::int64_t frames = read_count(in, 5, "frames");
    for (std::int64_t frame = 0; frame < frames; ++frame) {
      const std::int64_t count = read_count(in, 10, "weights");
      for (std::int64_t i = 0; i < count; ++i) {
        read.ids.push_back(read_value<std::int32_t>(in, true));
        read.weights.push_back(read_value<float>(in, true));
      }
      read.ends.push_back(std::int64_t(read.ids.size()));
    }
    return read;
  }
  begin_list(in, "a posterior");
  while (more_on_line(in)) {
    if (in.peek() != '[') in.expected("'[' before the weights of a frame");
    in.get();
    while (more_on_line(in) && in.peek() != ']') {
      read.ids.push_back(read_text_value<std::int32_t>(in, ' '));
      if (!more_on_line(in)) in.expected("a weight behind an id");
      read.weights.push_back(read_text_value<float>(in, ']'));
    }
    if (in.peek() != ']') in.expected("']' behind the weights of a frame");
    in.get();
    read.ends.push_back(std::int64_t(read.ids.size()));
  }
  end_list(in, "a posterior");
  return read;
}

void write_posterior(Output& out, bool binary, const FrameWeights& posterior) {
  if (binary) write_count(out, posterior.ends.size());
  std::int64_t at = 0;
  for (const std::int64_t end : posterior.ends) {
    if (binary) {
      write_count(out, end - at);
    } else {
      out.write("[ ");
    }
    for (; at < end; ++at) {
      write_value(out, binary, posterior.ids[at]);
      write_value(out, binary, posterior.weights[at]);
    }
    if (!binary) out.write("] ");
  }
  if (!binary) out.put('\n');
}

#define SONANT_TABLE_TYPE(T)                                       \
  template T read_single(Input&, bool);                            \
  template std::vector<T> read_list(Input&, bool);                 \
  template void write_list(Output&, bool, const std::vector<T>&);  \
  template Ragged<T> read_lists(Input&, bool);                     \
  template void write_lists(Output&, bool, const Ragged<T>&);      \
  template std::vector<T> read_pairs(Input&, bool);                \
  template void write_pairs(Output&, bool, const std::vector<T>&);
SONANT_TABLE_TYPE(std::int8_t)
SONANT_TABLE_TYPE(std::int32_t)
SONANT_TABLE_TYPE(float)
SONANT_TABLE_TYPE(double)
#undef SONANT_TABLE_TYPE

}  // namespace sonant

#include "files/matrix_file.h"

#include <cstring>
#include <string>

#include "files/basic_types.h"

namespace sonant {

namespace {

constexpr std::int64_t kMostCells = std::int64_t(1) << 46;

template <typename T>
constexpr char letter = sizeof(T) == 4 ? 'F' : 'D';

std::int32_t read_size(Input& in, const char* what) {
  const std::int64_t size = read_integer(in, true, 4, true);
  if (size < 0) in.error("expected the number of ", what, ", found ", size);
  return std::int32_t(size);
}

// Raw values of type From into an array of type T that is already there.
template <typename From, typename T>
void read_values(Input& in, T* to, std::int64_t count, const char* what) {
  if constexpr (std::is_same_v<From, T>) {
    in.read(to, count * sizeof(T), what);
  } else {
    From part[1024];
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t size = std::min<std::int64_t>(1024, count - done);
      in.read(part, size * sizeof(From), what);
      for (std::int64_t i = 0; i < size; ++i) to[done + i] = T(part[i]);
      done += size;
    }
  }
}

template <typename T>
MatrixValues<T> read_values(Input& in, char type, std::int64_t rows, std::int64_t cols, const char* what) {
  const std::int64_t cells = rows * cols;
  check_count(in, cells, type == 'F' ? 4 : 8, what);
  MatrixValues<T> array;
  array.rows = rows;
  array.cols = cols;
  // Not initialised: a header may promise much, and pages that nothing is read into cost nothing.
  array.data.reset(cells > kMostCells ? nullptr : new (std::nothrow) T[cells]);
  if (!array.data) in.error("the header promises ", rows, " x ", cols, " values, more than there is memory for");
  if (type == 'F') {
    read_values<float>(in, array.data.get(), cells, what);
  } else {
    read_values<double>(in, array.data.get(), cells, what);
  }
  return array;
}

// Takes the token of an object of floats or doubles, say "FM ", and returns its first letter.
char read_type(Input& in, char kind, const char* what) {
  const int type = in.peek();
  if ((type != 'F' && type != 'D') || in.peek_second() != kind) {
    in.error("expected ", what, " ('F", kind, " ' or 'D", kind, " '), found ", in.next_bytes());
  }
  expect_token(in, true, std::string{char(type), kind});
  return char(type);
}

// Behind "]": the newline that the writer put there.
void end_line(Input& in) {
  if (in.peek() == '\r') in.get();
  if (in.peek() == '\n') in.get();
}

// Takes "[", or "[]" and then returns false.
bool open_bracket(Input& in, const char* what) {
  skip_space(in);
  if (in.peek() != '[') in.error("expected ", what, " ('\\0B', or text that begins with '['), found ", in.next_bytes());
  in.get();
  if (in.peek() == ']') {
    in.get();
    end_line(in);
    return false;
  }
  return true;
}

template <typename T>
MatrixValues<T> array_of(const std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
  MatrixValues<T> array(rows, cols);
  std::copy(values.begin(), values.end(), array.data.get());
  return array;
}

template <typename T>
MatrixValues<T> read_text_matrix(Input& in) {
  if (!open_bracket(in, "a matrix")) return MatrixValues<T>(0, 0);
  std::vector<T> values;
  std::int64_t rows = 0, cols = 0, first_of_row = 0;
  auto end_row = [&] {
    const std::int64_t size = std::int64_t(values.size()) - first_of_row;
    if (size == 0) return;
    if (rows > 0 && size != cols) {
      in.error("row ", rows, " of a matrix has ", size, " values; expected ", cols, " as in the rows before");
    }
    cols = size;
    first_of_row += size;
    ++rows;
  };
  for (;;) {
    const int c = in.peek();
    if (c == Input::kEnd) in.expected("']' at the end of a matrix");
    if (c == ']' || c == '\n' || c == ';') {
      in.get();
      end_row();
      if (c == ']') break;
    } else if (is_space(c)) {
      in.get();
    } else {
      values.push_back(T(read_text_real(in, ']')));
    }
  }
  end_line(in);
  return array_of(values, rows, cols);
}

template <typename T>
MatrixValues<T> read_text_vector(Input& in) {
  if (!open_bracket(in, "a vector")) return MatrixValues<T>(1, 0);
  std::vector<T> values;
  for (;;) {
    const int c = in.peek();
    if (c == Input::kEnd || c == '\n') in.expected(c == '\n' ? "']' on the line of a vector: is it a matrix?" : "']' at the end of a vector");
    if (c == ']') break;
    if (is_space(c)) {
      in.get();
    } else {
      values.push_back(T(read_text_real(in, ']')));
    }
  }
  in.get();
  end_line(in);
  return array_of(values, 1, std::int64_t(values.size()));
}

Compressed read_compressed_body(Input& in) {
  const std::int64_t start = in.tell();
  const std::string token = read_token(in, true);
  Compressed from;
  from.format = token == "CM" ? Compressed::kColumns
                : token == "CM2" ? Compressed::kTwoByte
                : token == "CM3" ? Compressed::kOneByte
                                 : Compressed::kNone;
  if (!from.format) {
    ark_error(in.name(), ":", start, ": expected a matrix ('FM ', 'DM ', 'CM ', 'CM2 ' or 'CM3 '), found '", token, "'");
  }
  struct {
    float min, range;
    std::int32_t rows, cols;
  } header;
  in.read(&header, sizeof(header), "the header of a compressed matrix");
  if (header.rows < 0 || header.cols < 0) {
    ark_error(in.name(), ":", start, ": a compressed matrix of ", header.rows, " x ", header.cols, "; expected 0 or more");
  }
  if (header.rows == 0 || header.cols == 0) return Compressed();
  from.min = header.min;
  from.range = header.range;
  from.rows = header.rows;
  from.cols = header.cols;
  const std::int64_t bytes = from.size();
  check_count(in, bytes, 1, "bytes of a compressed matrix");
  constexpr std::int64_t step = 1 << 24;
  for (std::int64_t done = 0; done < bytes; done += step) {
    const std::int64_t part = std::min(step, bytes - done);
    from.data.resize(done + part);
    in.read(from.data.data() + done, part, "a compressed matrix");
  }
  return from;
}

}  // namespace

template <typename T>
MatrixValues<T> read_matrix(Input& in, bool binary) {
  if (!binary) return read_text_matrix<T>(in);
  if (in.peek() == 'C') return decompress<T>(read_compressed_body(in));
  const char type = read_type(in, 'M', "a matrix");
  const std::int64_t rows = read_size(in, "rows"), cols = read_size(in, "columns");
  return read_values<T>(in, type, rows, cols, "matrix values");
}

template <typename T>
MappedArray map_matrix(Input& in) {
  const std::int64_t start = in.tell();
  if (!in.seekable() || in.peek() != letter<T> || in.peek_second() != 'M') return {};
  read_type(in, 'M', "a matrix");
  MappedArray array;
  array.rows = read_size(in, "rows");
  array.cols = read_size(in, "columns");
  check_count(in, array.rows * array.cols, sizeof(T), "matrix values");
  array.data = in.map(array.rows * array.cols * sizeof(T), "matrix values", array.owner);
  if (!array.data) in.seek(start);
  return array;
}

Compressed read_compressed(Input& in, bool binary) {
  if (binary && in.peek() == 'C') return read_compressed_body(in);
  const MatrixValues<float> matrix = read_matrix<float>(in, binary);
  return compress(matrix.data.get(), matrix.rows, matrix.cols, Compression::kAuto);
}

template <typename T>
MatrixValues<T> read_vector(Input& in, bool binary) {
  if (!binary) return read_text_vector<T>(in);
  const char type = read_type(in, 'V', "a vector");
  return read_values<T>(in, type, 1, read_size(in, "values"), "vector values");
}

template <typename T>
MatrixValues<T> read_packed(Input& in, bool binary) {
  MatrixValues<T> array;
  if (binary) {
    const char type = read_type(in, 'P', "a packed matrix");
    const std::int64_t dim = read_size(in, "rows");
    array = read_values<T>(in, type, 1, dim * (dim + 1) / 2, "packed matrix values");
    array.rows = dim;
    return array;
  }
  if (!open_bracket(in, "a packed matrix")) return MatrixValues<T>(0, 0);
  std::vector<T> values;
  for (skip_space(in); in.peek() != ']'; skip_space(in)) values.push_back(T(read_text_real(in, ']')));
  in.get();
  end_line(in);
  const std::int64_t count = std::int64_t(values.size());
  std::int64_t dim = 0;
  while (dim * (dim + 1) / 2 < count) ++dim;
  if (dim * (dim + 1) / 2 != count) in.error("a packed matrix of ", count, " values; expected n(n+1)/2: 0, 1, 3, 6, ...");
  array = array_of(values, 1, count);
  array.rows = dim;
  return array;
}

void skip_matrix(Input& in, bool binary) {
  if (!binary || in.peek() == 'C') {
    read_matrix<float>(in, binary);
    return;
  }
  const int bytes = read_type(in, 'M', "a matrix") == 'F' ? 4 : 8;
  const std::int64_t rows = read_size(in, "rows"), cols = read_size(in, "columns");
  check_count(in, rows * cols, bytes, "matrix values");
  in.skip(rows * cols * bytes, "matrix values");
}

void skip_vector(Input& in, bool binary) {
  if (!binary) {
    read_text_vector<float>(in);
    return;
  }
  const int bytes = read_type(in, 'V', "a vector") == 'F' ? 4 : 8;
  in.skip(read_size(in, "values") * std::int64_t(bytes), "vector values");
}

template <typename T>
void write_matrix(Output& out, bool binary, const T* data, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
  if (binary) {
    write_token(out, std::string{letter<T>, 'M'});
    write_integer(out, true, rows, 4, true);
    write_integer(out, true, cols, 4, true);
    if (stride == cols) {
      out.write(data, rows * cols * sizeof(T));
    } else {
      for (std::int64_t row = 0; row < rows; ++row) out.write(data + row * stride, cols * sizeof(T));
    }
    return;
  }
  if (cols == 0) return out.write(" [ ]\n");
  out.write(" [");
  for (std::int64_t row = 0; row < rows; ++row) {
    out.write("\n  ");
    for (std::int64_t col = 0; col < cols; ++col) {
      write_text_real(out, data[row * stride + col]);
      out.put(' ');
    }
  }
  out.write("]\n");
}

void write_compressed(Output& out, bool binary, const Compressed& from) {
  if (!binary) {
    const MatrixValues<float> matrix = decompress<float>(from);
    return write_matrix(out, false, matrix.data.get(), matrix.rows, matrix.cols, matrix.cols);
  }
  // An empty one has the 16 bytes of header that readers take; Kaldi itself writes 20, of which its readers leave 4.
  write_token(out, from.format == Compressed::kTwoByte ? "CM2" : from.format == Compressed::kOneByte ? "CM3" : "CM");
  out.write(&from.min, 4);
  out.write(&from.range, 4);
  out.write(&from.rows, 4);
  out.write(&from.cols, 4);
  out.write(from.data.data(), from.data.size());
}

template <typename T>
void write_vector(Output& out, bool binary, const T* data, std::int64_t size) {
  if (binary) {
    write_token(out, std::string{letter<T>, 'V'});
    write_integer(out, true, size, 4, true);
    return out.write(data, size * sizeof(T));
  }
  out.write(" [ ");
  for (std::int64_t i = 0; i < size; ++i) {
    write_text_real(out, data[i]);
    out.put(' ');
  }
  out.write("]\n");
}

template <typename T>
void write_packed(Output& out, bool binary, const T* data, std::int64_t dim) {
  if (binary) {
    write_token(out, std::string{letter<T>, 'P'});
    write_integer(out, true, dim, 4, true);
    return out.write(data, dim * (dim + 1) / 2 * sizeof(T));
  }
  if (dim == 0) return out.write("[ ]\n");
  out.write("[\n");
  for (std::int64_t row = 0; row < dim; ++row) {
    for (std::int64_t col = 0; col <= row; ++col) {
      write_text_real(out, *data++);
      out.put(' ');
    }
    out.write(row + 1 < dim ? "\n" : "]\n");
  }
}

#define SONANT_MATRIX_FILE(T)                                                                        \
  template MatrixValues<T> read_matrix(Input&, bool);                                                       \
  template MappedArray map_matrix<T>(Input&);                                                        \
  template MatrixValues<T> read_vector(Input&, bool);                                                       \
  template MatrixValues<T> read_packed(Input&, bool);                                                       \
  template void write_matrix(Output&, bool, const T*, std::int64_t, std::int64_t, std::int64_t);     \
  template void write_vector(Output&, bool, const T*, std::int64_t);                                 \
  template void write_packed(Output&, bool, const T*, std::int64_t);
SONANT_MATRIX_FILE(float)
SONANT_MATRIX_FILE(double)
#undef SONANT_MATRIX_FILE

}  // namespace sonant

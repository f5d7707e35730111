// Kaldi's files of matrices and vectors: full, packed and compressed, binary and text (matrix/*.cc of Kaldi defines them).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "files/input.h"
#include "files/output.h"

namespace sonant {

// A matrix of rows x cols values, row by row, or with rows = 1 a vector. The memory is not initialised by reading.
template <typename T>
struct MatrixValues {
  std::unique_ptr<T[]> data;
  std::int64_t rows = 0, cols = 0;

  MatrixValues() = default;
  MatrixValues(std::int64_t rows, std::int64_t cols) : data(new T[rows * cols]), rows(rows), cols(cols) {}
};

// Kaldi's lossy formats. kColumns: five values per column quantised to 16 bits (quantiles 0, 25, 75, 100 %), then bytes,
// column by column. The other two: integers row by row, linear between min and min + range.
struct Compressed {
  enum Format : std::int32_t { kNone = 0, kColumns = 1, kTwoByte = 2, kOneByte = 3 };

  std::int32_t format = kNone;
  float min = 0, range = 0;
  std::int32_t rows = 0, cols = 0;
  std::vector<std::uint8_t> data;

  // Bytes of data that format, rows and cols make.
  std::int64_t size() const;
};

// Kaldi's CompressionMethod.
enum class Compression { kAuto = 1, kSpeech, kTwoByteAuto, kTwoByteSigned, kOneByteAuto, kOneByteUnsigned, kOneByteZeroOne };

// Throws ArkError for values that are not finite.
Compressed compress(const float* matrix, std::int64_t rows, std::int64_t cols, Compression method);
template <typename T>
MatrixValues<T> decompress(const Compressed& compressed);

// FM, DM, CM, CM2, CM3, or text.
template <typename T>
MatrixValues<T> read_matrix(Input& in, bool binary);
// The same without a copy, where a file holds the values as they are to be: else null, and nothing has been taken.
struct MappedArray {
  std::shared_ptr<Mapping> owner;
  const char* data = nullptr;  // aligned as the file has it: to a byte
  std::int64_t rows = 0, cols = 0;
};
template <typename T>
MappedArray map_matrix(Input& in);
// As they are; others are compressed.
Compressed read_compressed(Input& in, bool binary);
template <typename T>
MatrixValues<T> read_vector(Input& in, bool binary);
// The lower triangle, by rows; `rows` is the dimension and `cols` the number of values.
template <typename T>
MatrixValues<T> read_packed(Input& in, bool binary);

// Pass over one, reading as little as its format allows.
void skip_matrix(Input& in, bool binary);
void skip_vector(Input& in, bool binary);

// `stride`: values from row to row.
template <typename T>
void write_matrix(Output& out, bool binary, const T* data, std::int64_t rows, std::int64_t cols, std::int64_t stride);
void write_compressed(Output& out, bool binary, const Compressed& compressed);
template <typename T>
void write_vector(Output& out, bool binary, const T* data, std::int64_t size);
template <typename T>
void write_packed(Output& out, bool binary, const T* data, std::int64_t dim);

}  // namespace sonant

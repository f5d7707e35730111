// The lossy formats. Everything is in float, as in Kaldi, so that the same matrix makes the same bytes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "files/matrix_file.h"

namespace sonant {

namespace {

struct ColumnHeader {
  std::uint16_t p0, p25, p75, p100;
};

int quantise(float value, float min, float range, float highest) {
  const float f = std::clamp((value - min) / range, 0.0f, 1.0f);
  return int(f * highest + 0.499);  // a double: 0.499f would round some halves up
}

float dequantise(std::uint16_t value, float min, float range) { return min + range * 1.52590218966964e-05F * value; }

ColumnHeader column_header(float min, float range, std::vector<float>& column) {
  auto quantised = [&](std::size_t i) { return quantise(column[i], min, range, 65535); };
  const std::size_t rows = column.size();
  std::size_t at[4];  // the rows of the quantiles in the sorted column, as far as it has them
  if (rows >= 5) {
    const std::size_t quarter = rows / 4;
    const std::size_t places[] = {0, quarter, 3 * quarter, rows - 1};
    auto begin = column.begin();
    std::nth_element(begin, begin + quarter, column.end());
    std::nth_element(begin, begin, begin + quarter);
    std::nth_element(begin + quarter + 1, begin + 3 * quarter, column.end());
    if (3 * quarter + 1 < rows) std::nth_element(begin + 3 * quarter + 1, column.end() - 1, column.end());
    std::copy(places, places + 4, at);
  } else {
    std::sort(column.begin(), column.end());
    for (std::size_t i = 0; i < 4; ++i) at[i] = i;
  }
  // The four are kept apart, so that no quarter of a column is empty.
  const int p0 = std::min(quantised(at[0]), 65532);
  const int p25 = at[1] < rows ? std::min(std::max(quantised(at[1]), p0 + 1), 65533) : p0 + 1;
  const int p75 = at[2] < rows ? std::min(std::max(quantised(at[2]), p25 + 1), 65534) : p25 + 1;
  const int p100 = at[3] < rows ? std::max(quantised(at[3]), p75 + 1) : p75 + 1;
  return {std::uint16_t(p0), std::uint16_t(p25), std::uint16_t(p75), std::uint16_t(p100)};
}

std::uint8_t byte_of(float value, float p0, float p25, float p75, float p100) {
  auto part = [&](float low, float high, int first, int steps) {
    const int byte = first + int((value - low) / (high - low) * steps + 0.5);
    return std::uint8_t(std::clamp(byte, first, first + steps));
  };
  if (value < p25) return part(p0, p25, 0, 64);
  if (value < p75) return part(p25, p75, 64, 128);
  return part(p75, p100, 192, 63);
}

float value_of(std::uint8_t byte, float p0, float p25, float p75, float p100) {
  if (byte <= 64) return p0 + (p25 - p0) * byte * (1 / 64.0f);
  if (byte <= 192) return p25 + (p75 - p25) * (byte - 64) * (1 / 128.0f);
  return p75 + (p100 - p75) * (byte - 192) * (1 / 63.0);
}

template <typename Int>
void pack(const float* matrix, Compressed& to, float highest) {
  Int* data = reinterpret_cast<Int*>(to.data.data());
  const std::int64_t count = std::int64_t(to.rows) * to.cols;
  for (std::int64_t i = 0; i < count; ++i) data[i] = Int(quantise(matrix[i], to.min, to.range, highest));
}

}  // namespace

std::int64_t Compressed::size() const {
  const std::int64_t cells = std::int64_t(rows) * cols;
  return format == kColumns ? cells + 8 * std::int64_t(cols) : format == kTwoByte ? 2 * cells : cells;
}

Compressed compress(const float* matrix, std::int64_t rows, std::int64_t cols, Compression method) {
  constexpr std::int64_t most = 0x7fffffff;
  if (rows > most || cols > most) ark_error("a matrix of ", rows, " x ", cols, "; compressed ones have fewer than 2^31");
  Compressed to;
  if (rows == 0 || cols == 0) return to;
  to.rows = std::int32_t(rows);
  to.cols = std::int32_t(cols);
  const float* end = matrix + rows * cols;
  for (const float* value = matrix; value < end; ++value) {
    if (!std::isfinite(*value)) {
      ark_error("row ", (value - matrix) / cols, ", column ", (value - matrix) % cols, " is ", *value,
                "; only finite values can be compressed: write the matrix uncompressed, or find what made it");
    }
  }
  switch (method) {
    case Compression::kTwoByteSigned: to.min = -32768, to.range = 65535; break;
    case Compression::kOneByteUnsigned: to.min = 0, to.range = 255; break;
    case Compression::kOneByteZeroOne: to.min = 0, to.range = 1; break;
    default:
      const auto [low, high] = std::minmax_element(matrix, end);
      to.min = *low;
      // A constant matrix has a range all the same.
      to.range = (*high > *low ? *high : *low + (1.0f + std::fabs(*low))) - *low;
  }
  const bool columns = method == Compression::kSpeech || (method == Compression::kAuto && rows > 8);
  const bool one_byte = method >= Compression::kOneByteAuto;
  to.format = columns ? Compressed::kColumns : one_byte ? Compressed::kOneByte : Compressed::kTwoByte;
  to.data.resize(to.size());
  if (to.format == Compressed::kTwoByte) {
    pack<std::uint16_t>(matrix, to, 65535);
  } else if (to.format == Compressed::kOneByte) {
    pack<std::uint8_t>(matrix, to, 255);
  } else {
    std::vector<float> column(rows);
    std::uint8_t* bytes = to.data.data() + 8 * cols;
    for (std::int64_t j = 0; j < cols; ++j) {
      for (std::int64_t i = 0; i < rows; ++i) column[i] = matrix[i * cols + j];
      const ColumnHeader header = column_header(to.min, to.range, column);
      std::memcpy(to.data.data() + 8 * j, &header, 8);
      const float p0 = dequantise(header.p0, to.min, to.range), p25 = dequantise(header.p25, to.min, to.range);
      const float p75 = dequantise(header.p75, to.min, to.range), p100 = dequantise(header.p100, to.min, to.range);
      for (std::int64_t i = 0; i < rows; ++i) *bytes++ = byte_of(matrix[i * cols + j], p0, p25, p75, p100);
    }
  }
  return to;
}

template <typename T>
MatrixValues<T> decompress(const Compressed& from) {
  MatrixValues<T> to(from.rows, from.cols);
  const std::int64_t rows = from.rows, cols = from.cols;
  const std::uint8_t* bytes = from.data.data();
  if (from.format == Compressed::kColumns) {
    const std::uint8_t* cells = bytes + 8 * cols;
    // A column's 256 values are made once; then it is looked up. A tile of columns at a time, so that writes stay in cache.
    constexpr std::int64_t tile = 16;
    float values[tile][256];
    for (std::int64_t first = 0; first < cols; first += tile) {
      const std::int64_t width = std::min(tile, cols - first);
      for (std::int64_t k = 0; k < width; ++k) {
        ColumnHeader header;
        std::memcpy(&header, bytes + 8 * (first + k), 8);
        const float p0 = dequantise(header.p0, from.min, from.range), p25 = dequantise(header.p25, from.min, from.range);
        const float p75 = dequantise(header.p75, from.min, from.range);
        const float p100 = dequantise(header.p100, from.min, from.range);
        for (int v = 0; v < 256; ++v) values[k][v] = value_of(std::uint8_t(v), p0, p25, p75, p100);
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        T* row = to.data.get() + i * cols + first;
        for (std::int64_t k = 0; k < width; ++k) row[k] = T(values[k][cells[(first + k) * rows + i]]);
      }
    }
  } else {
    const bool two = from.format == Compressed::kTwoByte;
    const float step = float(from.range * (two ? 1.0 / 65535.0 : 1.0 / 255.0));
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      std::uint16_t value = bytes[i];
      if (two) std::memcpy(&value, bytes + 2 * i, 2);
      to.data[i] = T(from.min + value * step);
    }
  }
  return to;
}

template MatrixValues<float> decompress(const Compressed&);
template MatrixValues<double> decompress(const Compressed&);

}  // namespace sonant

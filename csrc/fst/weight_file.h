// Weights in OpenFst's binary files: numbers, and for compact lattices an int32 length and the symbols of the string.
#pragma once

#include <cstring>

#include "fst/fst.h"
#include "fst/file_parts.h"
#include "files/output.h"

namespace sonant {

template <class Float>
float read_float(Input& in) {
  return static_cast<float>(number<Float>(in, "a weight"));
}

// `Float` and `Int` are the types of the file; the symbols of a string are added to `strings`.
template <class W, class Float, class Int>
W read_weight(Input& in, StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    LatticeWeight weight;
    weight.graph = read_float<Float>(in);
    weight.acoustic = read_float<Float>(in);
    const auto length = number<std::int32_t>(in, "length of a string");
    if (length < 0) in.error("a string of ", length, " symbols");
    if (length == 0) return {weight, 0, 0};
    if (strings.symbols.size() + length > kMostSymbols) in.error("more than ", kMostSymbols, " symbols in strings");
    const auto begin = static_cast<std::uint32_t>(strings.symbols.size());
    std::int32_t read = 0;
    if constexpr (std::is_same_v<Int, std::int32_t>) {
      while (read < length) {  // as much at a time as is not much
        const std::int32_t part = std::min<std::int32_t>(length - read, 1 << 16);
        strings.symbols.resize(begin + std::size_t(read) + part);
        in.read(strings.symbols.data() + begin + read, part * sizeof(Int), "symbols of a string");
        read += part;
      }
    }
    for (; read < length; ++read) {
      const Int symbol = number<Int>(in, "a symbol of a string");
      if (static_cast<std::int32_t>(symbol) != symbol) in.error("the symbol ", symbol, " does not fit 32 bits");
      strings.symbols.push_back(static_cast<std::int32_t>(symbol));
    }
    return {weight, begin, static_cast<std::uint32_t>(length)};
  } else {
    float values[W::floats];
    for (float& value : values) value = read_float<Float>(in);
    W weight;
    std::memcpy(&weight, values, sizeof weight);
    return weight;
  }
}

template <class W>
void put_weight(Output& out, const W& w, const StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    out.write(&w.weight, sizeof w.weight);
    const auto string = strings.of(w);
    const auto length = static_cast<std::int32_t>(string.size());
    out.write(&length, sizeof length);
    out.write(string.data(), string.size_bytes());
  } else {
    out.write(&w, sizeof w);
  }
}

}  // namespace sonant

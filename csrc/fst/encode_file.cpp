#include "fst/encode.h"
#include "fst/file.h"
#include "fst/weight_file.h"

namespace sonant {

namespace {

constexpr std::int32_t kMagic = 2128178506, kOlderMagic = 2129983209;
constexpr std::uint32_t kLabels = 1, kWeights = 2, kHasISymbols = 4, kHasOSymbols = 8;

// The type of arc, empty in an older file.
std::string read_beginning(Input& in) {
  constexpr std::int64_t most = 256;
  const auto magic = number<std::int32_t>(in, "a table of encoded labels");
  if (magic == kMagic) return text(in, most, "type of arc");
  if (magic != kOlderMagic) {
    in.error("expected a table of encoded labels, which begins with the number ", kMagic, " or ", kOlderMagic,
             "; found ", magic);
  }
  return {};
}

template <class T>
void put(Output& out, const T& value) {
  out.write(&value, sizeof value);
}

}  // namespace

std::string encoded_arc_type(Input& in) {
  const std::int64_t begin = in.tell();
  const std::string type = read_beginning(in);
  in.seek(begin);
  return type;
}

template <class W>
EncodeFile<W> read_encode_table(Input& in) {
  const std::string type = read_beginning(in);
  const bool doubles = std::is_same_v<W, LogWeight> && type == "log64";
  if (!type.empty() && type != W::arc_type && !doubles) {
    in.error("a table of encoded labels for arcs of type '", type, "'; expected ", W::arc_type);
  }
  const std::uint32_t flags =
      type.empty() ? number<std::uint32_t>(in, "flags") : number<std::uint8_t>(in, "flags");
  if (flags > (kLabels | kWeights | kHasISymbols | kHasOSymbols)) in.error("flags ", flags, "; expected 0 to 15");
  const auto finals = type.empty() ? EncodedFinals::kEpsilon : EncodedFinals::kOwn;
  EncodeFile<W> file{{(flags & kLabels) != 0, (flags & kWeights) != 0, finals}, {}, {}};
  const auto count = number<std::int64_t>(in, "number of labels");
  check_count(in, count, kMostStates, 8 + W::floats * (doubles ? 8 : 4), "labels");
  StringsOf<W> strings;
  for (std::int64_t i = 0; i < count; ++i) {
    typename EncodeTable<W>::Triple triple;
    triple.ilabel = number<Label>(in, "an encoded arc");
    triple.olabel = number<Label>(in, "an encoded arc");
    if constexpr (has_strings<W>) strings.symbols.clear();
    triple.weight = doubles ? read_weight<W, double, std::int32_t>(in, strings)
                            : read_weight<W, float, std::int32_t>(in, strings);
    file.table.append(triple, strings);
  }
  if (flags & kHasISymbols) file.isymbols = read_symbols(in);
  if (flags & kHasOSymbols) file.osymbols = read_symbols(in);
  return file;
}

template <class W>
void write_encode_table(Output& out, const EncodeTable<W>& table, const std::string& isymbols,
                        const std::string& osymbols) {
  const std::uint32_t flags = (table.labels() ? kLabels : 0) | (table.weights() ? kWeights : 0) |
                              (isymbols.empty() ? 0 : kHasISymbols) | (osymbols.empty() ? 0 : kHasOSymbols);
  if (table.finals() == EncodedFinals::kOwn) {
    const std::string_view type = W::arc_type;
    put(out, kMagic);
    put(out, static_cast<std::int32_t>(type.size()));
    out.write(type);
    put(out, static_cast<std::uint8_t>(flags));
  } else {
    put(out, kOlderMagic);
    put(out, flags);
  }
  put(out, static_cast<std::int64_t>(table.size()));
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto& triple = table.triple_of(static_cast<Label>(i) + 1);
    put(out, triple.ilabel);
    put(out, triple.olabel);
    put_weight<W>(out, triple.weight, table.strings());
  }
  out.write(isymbols);
  out.write(osymbols);
}

#define SONANT_INSTANTIATE(W)                           \
  template EncodeFile<W> read_encode_table<W>(Input&); \
  template void write_encode_table(Output&, const EncodeTable<W>&, const std::string&, const std::string&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant

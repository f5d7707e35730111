#include "fst/file.h"

#include <cstring>
#include <optional>

#include "fst/file_parts.h"
#include "fst/weight_file.h"

namespace sonant {

namespace {

constexpr std::uint32_t kHasISymbols = 1, kHasOSymbols = 2, kAligned = 4;
constexpr std::int64_t kAlignment = 16;
constexpr std::int32_t kMostOfType = 256;

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append(std::string& bytes, const std::string& value) {
  append(bytes, static_cast<std::int32_t>(value.size()));
  bytes += value;
}

struct Header {
  std::string fst_type, arc_type;
  std::int32_t version = 0;
  std::uint32_t flags = 0;
  std::uint64_t properties = 0;
  std::int64_t start = -1, states = 0, arcs = 0;
};

Header read_header(Input& in) {
  const std::string found = in.next_bytes();
  if (in.peek() == Input::kEnd || number<std::int32_t>(in, "an automaton") != kFstMagic) {
    in.error("expected an OpenFst file, which begins with the bytes d6 fd b2 7e; found ", found);
  }
  Header h;
  h.fst_type = text(in, kMostOfType, "type of automaton");
  h.arc_type = text(in, kMostOfType, "type of arc");
  h.version = number<std::int32_t>(in, "version");
  h.flags = number<std::uint32_t>(in, "flags");
  h.properties = number<std::uint64_t>(in, "properties");
  h.start = number<std::int64_t>(in, "start state");
  h.states = number<std::int64_t>(in, "number of states");
  h.arcs = number<std::int64_t>(in, "number of arcs");
  return h;
}

template <class W>
void check_start(Input& in, const Fst<W>& fst, std::int64_t start) {
  if (start != kNoState && (start < 0 || static_cast<std::uint64_t>(start) >= fst.num_states())) {
    in.error("the start state ", start, " is not one of the ", fst.num_states(), " states");
  }
}

template <class W, class Float, class Int>
void read_arcs(Input& in, std::int64_t count, Array<Arc<W>>& arcs, StringsOf<W>& strings) {
  constexpr bool as_it_is = !has_strings<W> && std::is_same_v<Float, float>;
  while (count > 0) {
    if constexpr (as_it_is) {
      const std::string_view bytes = in.available();
      if (const auto whole = std::min<std::int64_t>(count, bytes.size() / sizeof(Arc<W>))) {
        const auto* from = reinterpret_cast<const Arc<W>*>(bytes.data());
        arcs.append(from, from + whole);
        in.take(whole * sizeof(Arc<W>));
        count -= whole;
        continue;
      }
    }
    Arc<W> arc;
    arc.ilabel = number<std::int32_t>(in, "an arc");
    arc.olabel = number<std::int32_t>(in, "an arc");
    arc.weight = read_weight<W, Float, Int>(in, strings);
    arc.nextstate = number<std::int32_t>(in, "an arc");
    arcs.push_back(arc);
    --count;
  }
}

template <class W>
void finish(Input& in, Fst<W>& fst) {
  try {
    fst.check();
  } catch (const FstError& error) {
    in.error(error.what());
  }
}

template <class W, class Float, class Int>
Fst<W> read_vector(Input& in, const Header& h, bool whole) {
  constexpr std::size_t least = W::floats * sizeof(Float) + (has_strings<W> ? 4 : 0) + 8;
  const bool counted = h.states != kNoState;  // else the states go on to the end of the file
  if (counted) check_count(in, h.states, kMostStates, least, "states");
  Array<State<W>> states;
  Array<Arc<W>> arcs;
  StringsOf<W> strings;
  const std::int64_t left = in.remaining();
  if (counted && left >= 0) {
    states.reserve(h.states);
    const std::int64_t rest = left - h.states * std::int64_t(least);
    if (whole && !has_strings<W> && rest > 0) arcs.reserve(rest / (12 + sizeof(Float) * W::floats));
  }
  while (counted ? states.size() < static_cast<std::uint64_t>(h.states) : in.peek() != Input::kEnd) {
    if (states.size() == kMostStates) in.error("more than ", kMostStates, " states");
    State<W> state;
    state.final = read_weight<W, Float, Int>(in, strings);
    const auto count = number<std::int64_t>(in, "number of arcs of a state");
    check_count(in, count, kMostArcs - arcs.size(), sizeof(Float) * W::floats + 12, "arcs of a state");
    read_arcs<W, Float, Int>(in, count, arcs, strings);
    state.arcs = static_cast<std::uint32_t>(count);
    states.push_back(state);
  }
  Fst<W> fst;
  fst.adopt(std::move(states), std::move(arcs), std::move(strings), static_cast<StateId>(h.start),
            (h.properties & properties::kCopied) | properties::kExpanded | properties::kMutable);
  return fst;
}

void align(Input& in) {
  if (const std::int64_t over = in.tell() % kAlignment) in.skip(kAlignment - over, "padding of an aligned file");
}

constexpr properties::Bits const_bits(std::uint64_t bits) {
  return (bits & properties::kCopied) | properties::kExpanded;
}

template <class W>
Fst<W> read_const(Input& in, const Header& h) {
  if (h.flags & kAligned) align(in);
  check_count(in, h.states, kMostStates, sizeof(State<W>), "states");
  auto states = read_table<State<W>>(in, h.states, "the table of states");
  if (h.flags & kAligned) align(in);
  check_count(in, h.arcs, kMostArcs, sizeof(Arc<W>), "arcs");
  auto arcs = read_table<Arc<W>>(in, h.arcs, "the table of arcs");
  std::uint64_t begin = 0;
  for (std::size_t s = 0; s < states.size(); ++s) {
    if (states[s].begin != begin) {
      in.error("the arcs of state ", s, " begin at ", states[s].begin, "; expected ", begin, ": the file is corrupt");
    }
    begin += states[s].arcs;
    if (begin > arcs.size()) in.error("state ", s, " has arcs beyond the ", arcs.size(), " of the file");
  }
  if (begin != arcs.size()) in.error("the states have ", begin, " arcs, the file ", arcs.size());
  Fst<W> fst;
  fst.adopt(std::move(states), std::move(arcs), {}, static_cast<StateId>(h.start), const_bits(h.properties));
  return fst;
}

// Empty where the tables are small, or the input cannot be mapped.
template <class W>
std::optional<Fst<W>> map_const(Input& in, const Header& h) {
  constexpr std::int64_t worth_it = 1 << 16;
  if (h.flags & kAligned) align(in);
  check_count(in, h.states, kMostStates, sizeof(State<W>), "states");
  check_count(in, h.arcs, kMostArcs, sizeof(Arc<W>), "arcs");
  const std::int64_t begin = in.tell();
  std::int64_t arcs_at = begin + h.states * std::int64_t(sizeof(State<W>));
  if (h.flags & kAligned) arcs_at += (kAlignment - arcs_at % kAlignment) % kAlignment;
  const std::int64_t size = arcs_at - begin + h.arcs * std::int64_t(sizeof(Arc<W>));
  if (size < worth_it) return {};
  std::shared_ptr<Mapping> owner;
  const char* tables = in.map(size, "the tables of states and arcs", owner);
  if (!tables) return {};
  const auto* states = reinterpret_cast<const State<W>*>(tables);
  const auto* arcs = reinterpret_cast<const Arc<W>*>(tables + (arcs_at - begin));
  return Fst<W>::over(owner, {states, std::size_t(h.states)}, {arcs, std::size_t(h.arcs)},
                      static_cast<StateId>(h.start), const_bits(h.properties));
}

template <class W, class Float = float, class Int = std::int32_t>
AnyFst read_body(Input& in, const Header& h, ReadOptions options) {
  constexpr bool as_it_is = !has_strings<W> && std::is_same_v<Float, float>;
  if (h.fst_type == "vector") {
    if (h.version < 2) in.error("version ", h.version, " of a vector automaton; expected 2");
    Fst<W> fst = read_vector<W, Float, Int>(in, h, options.whole);
    check_start(in, fst, h.start);
    finish(in, fst);
    return fst;
  }
  if (h.fst_type == "const") {
    if constexpr (as_it_is) {
      Header aligned = h;
      if (h.version == 1) aligned.flags |= kAligned;
      if (options.map) {
        if (auto mapped = map_const<W>(in, aligned)) {
          check_start(in, *mapped, h.start);
          return *std::move(mapped);
        }
      }
      Fst<W> fst = read_const<W>(in, aligned);
      check_start(in, fst, h.start);
      finish(in, fst);
      return fst;
    }
    in.error("a const automaton of type ", h.arc_type, " cannot be read: write it as vector (fstconvert, or ",
             "StdVectorFst in place of StdConstFst)");
  }
  if (h.fst_type == "ngram") {
    if constexpr (W::floats == 1 && as_it_is) {
      Fst<W> fst = NgramFst<W>::read(in, static_cast<StateId>(h.start), options.map)->expand(h.properties);
      finish(in, fst);
      return fst;
    }
    in.error("an ngram automaton with arcs of type ", h.arc_type, "; expected standard or log");
  }
  in.error("an automaton of type '", h.fst_type, "'; expected vector, const, ngram or a look-ahead wrapper");
}

AnyFst read_any(Input& in, const Header& h, ReadOptions options) {
  const std::string& type = h.arc_type;
  if (type == "standard") return read_body<TropicalWeight>(in, h, options);
  if (type == "log") return read_body<LogWeight>(in, h, options);
  if (type == "log64") return read_body<LogWeight, double>(in, h, options);
  if (type == "lattice4") return read_body<LatticeWeight>(in, h, options);
  if (type == "lattice8") return read_body<LatticeWeight, double>(in, h, options);
  if (type == "compactlattice44") return read_body<CompactWeight>(in, h, options);
  if (type == "compactlattice48") return read_body<CompactWeight, float, std::int64_t>(in, h, options);
  if (type == "compactlattice84") return read_body<CompactWeight, double>(in, h, options);
  if (type == "compactlattice88") return read_body<CompactWeight, double, std::int64_t>(in, h, options);
  if (type == KwsIndexWeight::arc_type) return read_body<KwsIndexWeight>(in, h, options);
  in.error("arcs of type '", type, "'; expected standard, log, log64, lattice4, lattice8, compactlattice44 (48, 84, 88) or ",
                  KwsIndexWeight::arc_type);
}

void pad(Output& out) {
  while (out.tell() % kAlignment) out.put('\0');
}

void write_header(Output& out, const Header& h) {
  std::string bytes;
  append(bytes, kFstMagic);
  append(bytes, h.fst_type);
  append(bytes, h.arc_type);
  append(bytes, h.version);
  append(bytes, h.flags);
  append(bytes, h.properties);
  append(bytes, h.start);
  append(bytes, h.states);
  append(bytes, h.arcs);
  out.write(bytes);
}

}  // namespace

std::string read_symbols(Input& in) {
  std::string bytes;
  const auto magic = number<std::int32_t>(in, "a symbol table");
  if (magic != kSymbolsMagic) {
    in.error("expected a symbol table, which begins with the bytes 74 fb b2 7e; found the number ", magic);
  }
  constexpr std::int64_t most = 1 << 30;
  append(bytes, magic);
  append(bytes, text(in, most, "name of a symbol table"));
  append(bytes, number<std::int64_t>(in, "a symbol table"));
  const auto count = number<std::int64_t>(in, "number of symbols");
  check_count(in, count, kMostSymbols, 12, "symbols");
  append(bytes, count);
  for (std::int64_t i = 0; i < count; ++i) {
    append(bytes, text(in, most, "a symbol"));
    append(bytes, number<std::int64_t>(in, "a symbol"));
  }
  return bytes;
}

namespace {

FstFile read_behind(Input& in, const Header& h, ReadOptions options) {
  FstFile file;
  file.format = h.fst_type;
  if (h.start < kNoState || h.start > std::int64_t(kMostStates)) in.error("start state ", h.start);
  if (h.flags & kHasISymbols) file.isymbols = read_symbols(in);
  if (h.flags & kHasOSymbols) file.osymbols = read_symbols(in);
  if (is_lookahead(h.fst_type)) {
    if (number<std::int32_t>(in, "an automaton with an add-on") != kAddOnMagic) {
      in.error("an automaton of type ", h.fst_type, " without the mark of an add-on: the file is corrupt");
    }
    const Header inner = read_header(in);
    if (is_lookahead(inner.fst_type)) in.error("a look-ahead wrapper within another");
    FstFile wrapped = read_behind(in, inner, {.whole = false, .map = options.map});
    file.reach = read_addon(in);
    if (file.isymbols.empty()) file.isymbols = std::move(wrapped.isymbols);
    if (file.osymbols.empty()) file.osymbols = std::move(wrapped.osymbols);
    file.fst = std::move(wrapped.fst);
    return file;
  }
  file.fst = read_any(in, h, options);
  return file;
}

}  // namespace

FstFile read_fst(Input& in, ReadOptions options) { return read_behind(in, read_header(in), options); }

NgramFile read_ngram_fst(Input& in, bool map) {
  const Header h = read_header(in);
  if (h.fst_type != "ngram") in.error("an automaton of type '", h.fst_type, "'; expected ngram");
  if (h.start < 0 || h.start > std::int64_t(kMostStates)) in.error("start state ", h.start);
  NgramFile file;
  if (h.flags & kHasISymbols) file.isymbols = read_symbols(in);
  if (h.flags & kHasOSymbols) file.osymbols = read_symbols(in);
  const auto start = static_cast<StateId>(h.start);
  if (h.arc_type == TropicalWeight::arc_type) {
    file.fst = NgramFst<TropicalWeight>::read(in, start, map);
  } else if (h.arc_type == LogWeight::arc_type) {
    file.fst = NgramFst<LogWeight>::read(in, start, map);
  } else {
    in.error("an ngram automaton with arcs of type ", h.arc_type, "; expected standard or log");
  }
  return file;
}

template <class W>
void write_fst(Output& out, const Fst<W>& given, const WriteOptions& options) {
  if (has_strings<W> && options.constant) {
    fst_error("a const file cannot hold the strings of a compact lattice; write it as vector");
  }
  const Fst<W> fst = options.constant ? given.packed() : given;
  const View<W> view = options.constant ? fst.view() : fst.tables();
  using namespace properties;
  Bits bits = fst.stored_properties();
  if (options.constant) bits = find_properties(view, bits, kCopied);
  bits = (bits & kCopied) | kExpanded | (options.constant ? 0 : kMutable);

  const bool align = options.constant && options.align;
  const std::uint32_t flags = (options.isymbols.empty() ? 0 : kHasISymbols) |
                              (options.osymbols.empty() ? 0 : kHasOSymbols) | (align ? kAligned : 0);
  write_header(out, {options.constant ? "const" : "vector", W::arc_type, align ? 1 : 2, flags, bits, view.start,
                     std::int64_t(view.num_states), options.constant ? std::int64_t(view.num_slots) : 0});
  out.write(options.isymbols);
  out.write(options.osymbols);

  if (options.constant) {
    if (align) pad(out);
    out.write(view.states, view.num_states * sizeof(State<W>));
    if (align) pad(out);
    out.write(view.arcs, view.num_slots * sizeof(Arc<W>));
    return;
  }
  for (StateId s = 0; s < static_cast<StateId>(view.num_states); ++s) {
    put_weight(out, view.states[s].final, *view.strings);
    const auto arcs = fst.arcs_of(s);
    const auto count = static_cast<std::int64_t>(arcs.size());
    out.write(&count, sizeof count);
    if constexpr (has_strings<W>) {
      for (const Arc<W>& arc : arcs) {
        out.write(&arc, 8);
        put_weight(out, arc.weight, *view.strings);
        out.write(&arc.nextstate, sizeof arc.nextstate);
      }
    } else {
      out.write(arcs.data(), arcs.size_bytes());
    }
  }
}

template <class W>
void write_lookahead(Output& out, const Fst<W>& fst, const Reachability& reach, WriteOptions options) {
  reach.check(fst);
  options.constant = true;
  using namespace properties;
  const Bits bits = (find_properties(fst.view(), fst.stored_properties(), kCopied) & kCopied) | kExpanded;
  const char* type = reach.input ? "ilabel_lookahead" : "olabel_lookahead";
  write_header(out, {type, W::arc_type, 1, 0, bits, kNoState, 0, 0});
  out.write(&kAddOnMagic, sizeof kAddOnMagic);
  write_fst(out, fst, options);
  write_addon(out, reach);
}

template <class W>
void write_ngram_fst(Output& out, const NgramFst<W>& fst, const std::string& isymbols, const std::string& osymbols) {
  const std::uint32_t flags = (isymbols.empty() ? 0 : kHasISymbols) | (osymbols.empty() ? 0 : kHasOSymbols);
  write_header(out, {"ngram", W::arc_type, 4, flags, kNgramProperties, fst.start(), std::int64_t(fst.num_states()), 0});
  out.write(isymbols);
  out.write(osymbols);
  fst.write(out);
}

template void write_lookahead(Output&, const Fst<TropicalWeight>&, const Reachability&, WriteOptions);
template void write_lookahead(Output&, const Fst<LogWeight>&, const Reachability&, WriteOptions);
template void write_ngram_fst(Output&, const NgramFst<TropicalWeight>&, const std::string&, const std::string&);
template void write_ngram_fst(Output&, const NgramFst<LogWeight>&, const std::string&, const std::string&);
template void write_fst(Output&, const Fst<TropicalWeight>&, const WriteOptions&);
template void write_fst(Output&, const Fst<LogWeight>&, const WriteOptions&);
template void write_fst(Output&, const Fst<LatticeWeight>&, const WriteOptions&);
template void write_fst(Output&, const Fst<CompactWeight>&, const WriteOptions&);
template void write_fst(Output&, const Fst<KwsIndexWeight>&, const WriteOptions&);

}  // namespace sonant

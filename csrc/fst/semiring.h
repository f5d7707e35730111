// The semirings of weighted automata. Weights are costs (negated logarithms): smaller is better, zero() is
// infinity (no path) and one() is 0.
//
// A weight is plain data without padding or alignment, so that arcs lie in memory as in OpenFst's files. The string
// of a compact-lattice weight lies in the `Strings` of its automaton; operations on such weights take these
// strings, and the other semirings take `NoStrings` in their place, so that one template serves them all.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

namespace sonant {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kDelta = 1.0f / 1024;  // OpenFst's: weights that are closer are taken for equal

#pragma pack(push, 1)

struct TropicalWeight {
  float value = 0;
  static constexpr const char* arc_type = "standard";
  static constexpr int floats = 1;
  static TropicalWeight zero() { return {kInfinity}; }
  static TropicalWeight one() { return {0}; }
};

struct LogWeight {
  float value = 0;
  static constexpr const char* arc_type = "log";
  static constexpr int floats = 1;
  static LogWeight zero() { return {kInfinity}; }
  static LogWeight one() { return {0}; }
};

// Kaldi's lattice weight: the cost of the graph (language model, pronunciations, transitions) and the acoustic one.
struct LatticeWeight {
  float graph = 0, acoustic = 0;
  static constexpr const char* arc_type = "lattice4";
  static constexpr int floats = 2;
  static LatticeWeight zero() { return {kInfinity, kInfinity}; }
  static LatticeWeight one() { return {0, 0}; }
};

// A lattice weight with a string of transition-ids: symbols [begin, begin + length) of the automaton's Strings.
struct CompactWeight {
  LatticeWeight weight;
  std::uint32_t begin = 0, length = 0;
  static constexpr const char* arc_type = "compactlattice44";
  static constexpr int floats = 2;
  static CompactWeight zero() { return {LatticeWeight::zero(), 0, 0}; }
  static CompactWeight one() { return {}; }
};

// Kaldi's keyword index: cost, then begin and end time, compared in this order.
struct KwsIndexWeight {
  float cost = 0, begin = 0, end = 0;
  static constexpr const char* arc_type = "tropical_LT_tropical_LT_tropical";
  static constexpr int floats = 3;
  static KwsIndexWeight zero() { return {kInfinity, kInfinity, kInfinity}; }
  static KwsIndexWeight one() { return {0, 0, 0}; }
};

#pragma pack(pop)

struct NoStrings {};

// The strings of a compact lattice, one after another.
struct Strings {
  std::vector<std::int32_t> symbols;

  std::span<const std::int32_t> of(const CompactWeight& w) const { return {symbols.data() + w.begin, w.length}; }
  // A weight with a copy of `string`, which may lie in these strings themselves. The caller keeps the number of
  // symbols below 2^32 (Fst and the readers check it).
  CompactWeight add(LatticeWeight weight, std::span<const std::int32_t> string) {
    const auto begin = static_cast<std::uint32_t>(symbols.size());
    if (symbols.capacity() - symbols.size() < string.size()) {
      std::vector<std::int32_t> grown;
      grown.reserve(std::max(2 * symbols.capacity(), symbols.size() + string.size()));
      grown.assign(symbols.begin(), symbols.end());
      grown.insert(grown.end(), string.begin(), string.end());
      symbols = std::move(grown);
    } else {
      for (const std::int32_t symbol : string) symbols.push_back(symbol);
    }
    return {weight, begin, static_cast<std::uint32_t>(string.size())};
  }
};

template <class W>
inline constexpr bool has_strings = std::is_same_v<W, CompactWeight>;
template <class W>
using StringsOf = std::conditional_t<has_strings<W>, Strings, NoStrings>;

// ---- Equality of values; strings are compared where there are any.

inline bool equal(TropicalWeight a, const NoStrings&, TropicalWeight b, const NoStrings&) { return a.value == b.value; }
inline bool equal(LogWeight a, const NoStrings&, LogWeight b, const NoStrings&) { return a.value == b.value; }
inline bool equal(LatticeWeight a, LatticeWeight b) { return a.graph == b.graph && a.acoustic == b.acoustic; }
inline bool equal(LatticeWeight a, const NoStrings&, LatticeWeight b, const NoStrings&) { return equal(a, b); }
inline bool equal(KwsIndexWeight a, const NoStrings&, KwsIndexWeight b, const NoStrings&) {
  return a.cost == b.cost && a.begin == b.begin && a.end == b.end;
}
inline bool equal(const CompactWeight& a, const Strings& in_a, const CompactWeight& b, const Strings& in_b) {
  return equal(a.weight, b.weight) && std::ranges::equal(in_a.of(a), in_b.of(b));
}

inline bool is_zero(TropicalWeight w) { return w.value == kInfinity; }
inline bool is_zero(LogWeight w) { return w.value == kInfinity; }
inline bool is_zero(LatticeWeight w) { return w.graph == kInfinity && w.acoustic == kInfinity; }
inline bool is_zero(KwsIndexWeight w) { return w.cost == kInfinity && w.begin == kInfinity && w.end == kInfinity; }
inline bool is_zero(const CompactWeight& w) { return w.length == 0 && is_zero(w.weight); }

inline bool is_one(TropicalWeight w) { return w.value == 0; }
inline bool is_one(LogWeight w) { return w.value == 0; }
inline bool is_one(LatticeWeight w) { return w.graph == 0 && w.acoustic == 0; }
inline bool is_one(KwsIndexWeight w) { return w.cost == 0 && w.begin == 0 && w.end == 0; }
inline bool is_one(const CompactWeight& w) { return w.length == 0 && is_one(w.weight); }

// ---- Membership: what can be the cost of a path. NaN and -infinity cannot; zero() may not be half there.

inline bool is_cost(float value) { return value == value && value != -kInfinity; }
inline bool is_member(TropicalWeight w) { return is_cost(w.value); }
inline bool is_member(LogWeight w) { return is_cost(w.value); }
inline bool is_member(LatticeWeight w) {
  return is_cost(w.graph) && is_cost(w.acoustic) && (w.graph == kInfinity) == (w.acoustic == kInfinity);
}
inline bool is_member(const CompactWeight& w) { return is_member(w.weight) && (!is_zero(w.weight) || w.length == 0); }
inline bool is_member(KwsIndexWeight w) {
  const bool none = w.cost == kInfinity;
  return is_cost(w.cost) && is_cost(w.begin) && is_cost(w.end) && (w.begin == kInfinity) == none &&
         (w.end == kInfinity) == none;
}

// ---- Approximate equality as OpenFst and Kaldi define it (Kaldi's looks at the sum of the two costs).

inline bool near(float a, float b, float delta) { return a <= b + delta && b <= a + delta; }
inline bool near(TropicalWeight a, const NoStrings&, TropicalWeight b, const NoStrings&, float delta) {
  return near(a.value, b.value, delta);
}
inline bool near(LogWeight a, const NoStrings&, LogWeight b, const NoStrings&, float delta) {
  return near(a.value, b.value, delta);
}
inline bool near(LatticeWeight a, LatticeWeight b, float delta) {
  return equal(a, b) || std::fabs((a.graph + a.acoustic) - (b.graph + b.acoustic)) <= delta;
}
inline bool near(LatticeWeight a, const NoStrings&, LatticeWeight b, const NoStrings&, float delta) {
  return near(a, b, delta);
}
inline bool near(KwsIndexWeight a, const NoStrings&, KwsIndexWeight b, const NoStrings&, float delta) {
  return near(a.cost, b.cost, delta) && near(a.begin, b.begin, delta) && near(a.end, b.end, delta);
}
inline bool near(const CompactWeight& a, const Strings& in_a, const CompactWeight& b, const Strings& in_b,
                 float delta) {
  return near(a.weight, b.weight, delta) && std::ranges::equal(in_a.of(a), in_b.of(b));
}

// ---- Order. Positive: a is the better one (smaller cost), as in Kaldi; it decides what plus() keeps.

inline int compare(float a, float b) { return a < b ? 1 : a > b ? -1 : 0; }
inline int compare(TropicalWeight a, const NoStrings&, TropicalWeight b, const NoStrings&) {
  return compare(a.value, b.value);
}
inline int compare(LatticeWeight a, LatticeWeight b) {
  if (const int sum = compare(a.graph + a.acoustic, b.graph + b.acoustic)) return sum;
  return compare(a.graph, b.graph);
}
inline int compare(LatticeWeight a, const NoStrings&, LatticeWeight b, const NoStrings&) { return compare(a, b); }
inline int compare(KwsIndexWeight a, const NoStrings&, KwsIndexWeight b, const NoStrings&) {
  if (const int cost = compare(a.cost, b.cost)) return cost;
  if (const int begin = compare(a.begin, b.begin)) return begin;
  return compare(a.end, b.end);
}
// Ties: the shorter string is better, then the one that is greater symbol by symbol.
inline int compare(const CompactWeight& a, const Strings& in_a, const CompactWeight& b, const Strings& in_b) {
  if (const int weight = compare(a.weight, b.weight)) return weight;
  if (a.length != b.length) return a.length < b.length ? 1 : -1;
  const auto s = in_a.of(a), t = in_b.of(b);
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != t[i]) return s[i] < t[i] ? -1 : 1;
  }
  return 0;
}

// ---- Sum: the better one, or the logarithmic sum.

template <class W>
W plus(const W& a, const W& b, const StringsOf<W>& strings) {
  return compare(a, strings, b, strings) >= 0 ? a : b;
}
inline LogWeight plus(LogWeight a, LogWeight b, const NoStrings&) {
  if (a.value == kInfinity) return b;
  if (b.value == kInfinity) return a;
  const float least = std::min(a.value, b.value), most = std::max(a.value, b.value);
  return {least - std::log1p(std::exp(least - most))};
}

// ---- Product: costs add, strings are joined.

inline TropicalWeight times(TropicalWeight a, TropicalWeight b, NoStrings&) { return {a.value + b.value}; }
inline LogWeight times(LogWeight a, LogWeight b, NoStrings&) { return {a.value + b.value}; }
inline LatticeWeight times(LatticeWeight a, LatticeWeight b) { return {a.graph + b.graph, a.acoustic + b.acoustic}; }
inline LatticeWeight times(LatticeWeight a, LatticeWeight b, NoStrings&) { return times(a, b); }
inline KwsIndexWeight times(KwsIndexWeight a, KwsIndexWeight b, NoStrings&) {
  return {a.cost + b.cost, a.begin + b.begin, a.end + b.end};
}
inline CompactWeight times(const CompactWeight& a, const CompactWeight& b, Strings& strings) {
  const LatticeWeight weight = times(a.weight, b.weight);
  if (is_zero(weight)) return CompactWeight::zero();
  if (a.length == 0) return {weight, b.begin, b.length};
  if (b.length == 0) return {weight, a.begin, a.length};
  if (a.begin + a.length == b.begin) return {weight, a.begin, a.length + b.length};  // joined already
  const auto s = strings.of(a), t = strings.of(b);
  std::vector<std::int32_t> joined(s.begin(), s.end());
  joined.insert(joined.end(), t.begin(), t.end());
  return strings.add(weight, joined);
}

// ---- Rounded to multiples of `delta`, for hashing.

inline float quantize(float value, float delta) {
  return std::isfinite(value) ? std::floor(value / delta + 0.5f) * delta : value;
}
inline TropicalWeight quantize(TropicalWeight w, float delta) { return {quantize(w.value, delta)}; }
inline LogWeight quantize(LogWeight w, float delta) { return {quantize(w.value, delta)}; }
inline LatticeWeight quantize(LatticeWeight w, float delta) {
  const float sum = w.graph + w.acoustic;
  if (!std::isfinite(sum)) return {sum, sum};
  return {quantize(w.graph, delta), quantize(w.acoustic, delta)};
}
inline CompactWeight quantize(const CompactWeight& w, float delta) {
  return {quantize(w.weight, delta), w.begin, w.length};
}
inline KwsIndexWeight quantize(KwsIndexWeight w, float delta) {
  return {quantize(w.cost, delta), quantize(w.begin, delta), quantize(w.end, delta)};
}

}  // namespace sonant

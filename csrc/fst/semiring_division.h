// Quotients: what times() with the divisor from the left or the right gives back.
//
// A string can only be divided by one that it begins (or ends) with; anything else is FstError.
#pragma once

#include "fst/error.h"
#include "fst/semiring.h"

namespace sonant {

enum class Side { kLeft, kRight };

inline float difference(float a, float b) { return a == kInfinity ? kInfinity : a - b; }
inline TropicalWeight divide(TropicalWeight a, TropicalWeight b, Side, const NoStrings&) {
  return {difference(a.value, b.value)};
}
inline LogWeight divide(LogWeight a, LogWeight b, Side, const NoStrings&) { return {difference(a.value, b.value)}; }
inline LatticeWeight divide(LatticeWeight a, LatticeWeight b, Side, const NoStrings&) {
  return {difference(a.graph, b.graph), difference(a.acoustic, b.acoustic)};
}
inline KwsIndexWeight divide(KwsIndexWeight a, KwsIndexWeight b, Side, const NoStrings&) {
  return {difference(a.cost, b.cost), difference(a.begin, b.begin), difference(a.end, b.end)};
}
inline CompactWeight divide(const CompactWeight& a, const CompactWeight& b, Side side, const Strings& strings) {
  if (is_zero(a)) return a;
  const auto s = strings.of(a), t = strings.of(b);
  const std::uint32_t rest = a.length - std::min(a.length, b.length);
  const auto part = side == Side::kLeft ? s.first(a.length - rest) : s.last(a.length - rest);
  if (!std::ranges::equal(part, t)) {
    fst_error("a string of ", a.length, " transition-ids cannot be divided by one of ", b.length,
              " that it does not ", side == Side::kLeft ? "begin" : "end", " with; convert to a lattice first");
  }
  return {divide(a.weight, b.weight, side, NoStrings{}), side == Side::kLeft ? a.begin + b.length : a.begin, rest};
}

}  // namespace sonant

#include "features/fft.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sonant {

namespace {

void append_root(std::vector<float>& to, std::int64_t numerator, std::int64_t denominator) {
  const double angle = -2.0 * std::numbers::pi * double(numerator % denominator) / double(denominator);
  to.push_back(float(std::cos(angle)));
  to.push_back(float(std::sin(angle)));
}

std::vector<int> radices(int length) {
  std::vector<int> found;
  for (; length % 4 == 0; length /= 4) found.push_back(4);
  for (int radix = 2; length > 1; radix += radix == 2 ? 1 : 2) {
    if (radix > length / radix) radix = length;  // what is left is prime
    for (; length % radix == 0; length /= radix) found.push_back(radix);
  }
  return found;
}

}  // namespace

RealFft::RealFft(int n) : size(n), half(n / 2), position(half, 0) {
  int step = half;  // of the stage before: the length of what is still to be transformed
  int weight = 1;   // of this stage's digit in a frequency
  for (const int radix : radices(half)) {
    const int length = step;
    step /= radix;
    FftStage stage{radix, step, factors.size(), 0};
    for (std::int64_t j = 0; j < step; ++j) {
      for (std::int64_t p = 1; p < radix; ++p) append_root(factors, j * p, length);
    }
    if (radix % 2 == 1) {
      widest_odd_radix = std::max(widest_odd_radix, radix);
      stage.roots = factors.size();
      for (int q = 0; q < radix; ++q) append_root(factors, q, radix);
    }
    stages.push_back(stage);
    for (int k = 0; k < half; ++k) position[k] += k / weight % radix * step;
    weight *= radix;
  }
  for (int k = 0; k <= half / 2; ++k) append_root(untangle, k, n);
}

}  // namespace sonant

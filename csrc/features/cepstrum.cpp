#include "features/cepstrum.h"

#include <cmath>
#include <numbers>

namespace sonant {

std::vector<float> dct_matrix(int rows, int columns) {
  std::vector<float> matrix;
  for (int k = 0; k < rows; ++k) {
    const double scale = std::sqrt((k == 0 ? 1.0 : 2.0) / columns);
    for (int n = 0; n < columns; ++n) {
      matrix.push_back(float(scale * std::cos(std::numbers::pi / columns * (n + 0.5) * k)));
    }
  }
  return matrix;
}

std::vector<float> autocorrelation_matrix(int rows, int columns) {
  const int last = columns + 1;
  std::vector<float> matrix;
  for (int k = 0; k < rows; ++k) {
    // Each point but the first and the last stands for two: itself and its negative frequency.
    auto basis = [&](int n) {
      return (n == 0 || n == last ? 0.5 : 1.0) / last * std::cos(std::numbers::pi / last * n * k);
    };
    for (int n = 1; n <= columns; ++n) {
      double value = basis(n);
      if (n == 1) value += basis(0);
      if (n == columns) value += basis(last);
      matrix.push_back(float(value));
    }
  }
  return matrix;
}

std::vector<float> lifter(double q, int count) {
  std::vector<float> factors;
  for (int i = 0; i < count; ++i) {
    factors.push_back(q == 0 ? 1.0f : float(1 + 0.5 * q * std::sin(std::numbers::pi * i / q)));
  }
  return factors;
}

}  // namespace sonant

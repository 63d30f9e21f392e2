#pragma once
#include <Eigen/QR>
#include <cmath>
#include <random>

#include "kernels/matrix.hpp"

namespace logitfield::testing {

/// Standard normal entries that depend only on the seed.
template <class Scalar = double>
RowMajor<Scalar> random_matrix(Index rows, Index columns, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<Scalar> normal;
  return RowMajor<Scalar>::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

/// A matrix with singular values graded from 1 down to 10^-orders.
inline Matrix graded_matrix(Index rows, Index columns, double orders, unsigned seed) {
  Matrix out = random_matrix(rows, columns, seed);
  const Matrix rotation = Eigen::HouseholderQR<Matrix>(random_matrix(columns, columns, seed + 1)).householderQ();
  for (Index j = 0; j < columns; ++j) {
    out.col(j) *=
        std::pow(10.0, -orders * static_cast<double>(j) / static_cast<double>(std::max<Index>(1, columns - 1)));
  }
  return out * rotation;
}

}  // namespace logitfield::testing

#pragma once
#include <Eigen/QR>
#include <cmath>
#include <random>

#include "kernels/matrix.hpp"

namespace logitfield::testing {

/// Standard normal entries that depend only on the seed.
template <class Scalar = double>
kernels::RowMajor<Scalar> random_matrix(kernels::Index rows, kernels::Index columns, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<Scalar> normal;
  return kernels::RowMajor<Scalar>::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

/// A matrix with singular values graded from 1 down to 10^-orders.
inline kernels::Matrix graded_matrix(kernels::Index rows, kernels::Index columns, double orders, unsigned seed) {
  kernels::Matrix out = random_matrix(rows, columns, seed);
  const kernels::Matrix rotation =
      Eigen::HouseholderQR<kernels::Matrix>(random_matrix(columns, columns, seed + 1)).householderQ();
  for (kernels::Index j = 0; j < columns; ++j) {
    out.col(j) *= std::pow(
        10.0, -orders * static_cast<double>(j) / static_cast<double>(std::max<kernels::Index>(1, columns - 1)));
  }
  return out * rotation;
}

}  // namespace logitfield::testing

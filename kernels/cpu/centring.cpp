#include "kernels/cpu/centring.hpp"

#include <cmath>
#include <limits>

namespace logitfield::kernels::cpu {

Matrix centred_keys(const MatrixRef& keys) {
  const Eigen::RowVectorXd mean = keys.colwise().mean();
  Matrix centred = keys.rowwise() - mean;
  const double rounding = 4 * std::sqrt(static_cast<double>(keys.rows())) * std::numeric_limits<double>::epsilon();
  if (centred.norm() <= rounding * keys.norm()) centred.setZero();
  return centred;
}

}  // namespace logitfield::kernels::cpu

#include "kernels/cpu/zero_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace logitfield::kernels::cpu {
namespace {

constexpr Index kMostRows = 64;

/// std::max would drop a NaN; a NaN must reach the certificate.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

/// With n terms and unit round-off u, the mean errs by at most n u mean|S| (times n keys; mean|S| <= |mean S| +
/// mean|E|), the sum by n u sum|E|, each subtraction by u |E|.
void add_row(const Eigen::Ref<const Eigen::RowVectorXd>& logits, ZeroSum& worst) {
  const double n = static_cast<double>(logits.size());
  const double unit = std::numeric_limits<double>::epsilon() / 2;
  const double mean = logits.mean();
  const double total = std::abs((logits.array() - mean).sum());
  if (total == 0) return;
  const double absolute = (logits.array() - mean).abs().sum();
  const double bound = unit * (n * n * std::abs(mean) + (2 * n + 1) * absolute);
  worst.residual = larger(total / absolute, worst.residual);
  worst.margin = larger(total / bound, worst.margin);
}

}  // namespace

ZeroSum measure_zero_sum(const MatrixRef& queries, const MatrixRef& keys, double scale) {
  const Index length = queries.rows(), rows = std::min(length, kMostRows);
  Matrix sampled(rows, queries.cols());
  for (Index r = 0; r < rows; ++r) sampled.row(r) = queries.row((r + 1) * length / rows - 1);
  const Matrix logits = scale * sampled * keys.transpose();
  ZeroSum worst;
  for (Index r = 0; r < rows; ++r) add_row(logits.row(r), worst);
  return worst;
}

}  // namespace logitfield::kernels::cpu

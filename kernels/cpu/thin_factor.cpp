#include "kernels/cpu/thin_factor.hpp"

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <limits>
#include <optional>

#include "kernels/cpu/gram.hpp"

namespace logitfield::kernels::cpu {
namespace {

using Lower = Eigen::LLT<Matrix>;

/// Above this, a pass has lost so much that the next cannot be trusted to repair it.
constexpr double kRepairable = 0.1;

/// basis <- basis * L^-T, r <- L^T * r for gram = L L^T: one Cholesky-QR pass. False if gram is not positive definite.
bool cholesky_pass(const Matrix& gram, ThinFactor& factor) {
  const Lower cholesky(gram);
  if (cholesky.info() != Eigen::Success) return false;
  cholesky.matrixL().transpose().solveInPlace<Eigen::OnTheRight>(factor.basis);
  factor.r = (cholesky.matrixU() * factor.r).eval();
  return true;
}

std::optional<ThinFactor> cholesky_qr(const MatrixRef& a, const Matrix& first) {
  const Index d = a.cols();
  ThinFactor factor{a, Matrix::Identity(d, d), true};
  const double rounding = 32 * static_cast<double>(d) * std::numeric_limits<double>::epsilon();
  if (!cholesky_pass(first, factor)) return std::nullopt;
  const Matrix second = gram(factor.basis);
  const double deviation = (second - Matrix::Identity(d, d)).norm();
  if (deviation <= rounding) return factor;
  // Not (deviation <= kRepairable), so that NaN also leaves.
  if (!(deviation <= kRepairable) || !cholesky_pass(second, factor)) return std::nullopt;
  return factor;
}

ThinFactor householder_qr(const MatrixRef& a) {
  const Index k = std::min(a.rows(), a.cols());
  const Eigen::HouseholderQR<Matrix> qr(a);
  ThinFactor factor;
  factor.basis = qr.householderQ() * Matrix::Identity(a.rows(), k);
  factor.r = qr.matrixQR().topRows(k).template triangularView<Eigen::Upper>();
  return factor;
}

}  // namespace

ThinFactor thin_factor(const MatrixRef& a) { return thin_factor(a, gram(a)); }

ThinFactor thin_factor(const MatrixRef& a, const Matrix& gram) {
  if (a.rows() > a.cols()) {
    if (auto factor = cholesky_qr(a, gram)) return std::move(*factor);
  }
  return householder_qr(a);
}

}  // namespace logitfield::kernels::cpu

#include "kernels/cpu/gram.hpp"

namespace logitfield::kernels::cpu {

Matrix gram(const MatrixRef& a) {
  Matrix out = Matrix::Zero(a.cols(), a.cols());
  out.selfadjointView<Eigen::Lower>().rankUpdate(a.transpose());
  out.triangularView<Eigen::StrictlyUpper>() = out.transpose();
  return out;
}

}  // namespace logitfield::kernels::cpu

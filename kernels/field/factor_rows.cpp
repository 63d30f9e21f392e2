#include "kernels/field/factor_rows.hpp"

namespace logitfield::kernels {

FactorRows::FactorRows(const MatrixFRef& rows, double factor)
    : rows_(rows), factor_(factor), shift_(Eigen::RowVectorXd::Zero(rows.cols())) {}

void FactorRows::vanish() {
  factor_ = 0;
  shift_.setZero();
}

void FactorRows::append(Vector column) { extra_.push_back(std::move(column)); }

void FactorRows::tile(Index begin, Index count, Matrix& out) const {
  const Index d = rows_.cols();
  out.resize(count, width());
  const double factor = factor_;
  const double* __restrict shift = shift_.data();
  for (Index r = 0; r < count; ++r) {
    const float* __restrict from = rows_.data() + (begin + r) * rows_.outerStride();
    double* __restrict to = &out(r, 0);
    for (Index c = 0; c < d; ++c) to[c] = factor * static_cast<double>(from[c]) - shift[c];
  }
  if (row_factors_.size() > 0) out.leftCols(d).array().colwise() *= row_factors_.segment(begin, count).array();
  for (std::size_t e = 0; e < extra_.size(); ++e) {
    out.col(d + static_cast<Index>(e)) = extra_[e].segment(begin, count);
  }
}

Matrix FactorRows::all() const {
  Matrix out;
  tile(0, rows(), out);
  return out;
}

}  // namespace logitfield::kernels

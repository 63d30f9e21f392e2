#pragma once
#include "kernels/spectra/linear_operator.hpp"

namespace logitfield::testing {

/// A matrix held in memory, as an operator.
class ExplicitOperator final : public LinearOperator {
 public:
  explicit ExplicitOperator(Matrix matrix) : matrix_(std::move(matrix)) {}
  Index rows() const override { return matrix_.rows(); }
  void apply(const Matrix& x, Matrix& y) const override { y = matrix_ * x; }
  void apply_transpose(const Matrix& y, Matrix& x) const override { x = matrix_.transpose() * y; }

 private:
  Matrix matrix_;
};

}  // namespace logitfield::testing

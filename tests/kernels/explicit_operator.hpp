#pragma once
#include "kernels/spectra/linear_operator.hpp"

namespace logitfield::testing {

/// A matrix held in memory, as an operator.
class ExplicitOperator final : public kernels::LinearOperator {
 public:
  explicit ExplicitOperator(kernels::Matrix matrix) : matrix_(std::move(matrix)) {}
  kernels::Index rows() const override { return matrix_.rows(); }
  void apply(const kernels::Matrix& x, kernels::Matrix& y) const override { y = matrix_ * x; }
  void apply_transpose(const kernels::Matrix& y, kernels::Matrix& x) const override { x = matrix_.transpose() * y; }

 private:
  kernels::Matrix matrix_;
};

}  // namespace logitfield::testing

#pragma once
#include <utility>
#include <variant>

#include "kernels/matrix.hpp"
#include "kernels/precision.hpp"

namespace logitfield::kernels {

/// The matrix of a linear map [outputs, inputs], in the operand type of its products: bfloat16, which takes half the
/// memory, or float32.
class WeightMatrix {
 public:
  WeightMatrix() = default;
  WeightMatrix(MatrixF values) : values_(std::move(values)) {}
  /// Rounds to bfloat16 (to nearest, ties to even) if that is the operand type of this precision.
  WeightMatrix(MatrixF values, Precision precision) {
    if (precision == Precision::bf16) {
      values_ = MatrixB(values.cast<Eigen::bfloat16>());
    } else {
      values_ = std::move(values);
    }
  }

  /// Calls the visitor with the matrix in its own type: visitor(const MatrixF&) or visitor(const MatrixB&).
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return std::visit(std::forward<Visitor>(visitor), values_);
  }

  Index rows() const {
    return visit([](const auto& values) { return values.rows(); });
  }
  Index cols() const {
    return visit([](const auto& values) { return values.cols(); });
  }
  Index size() const { return rows() * cols(); }
  bool is_for(Precision precision) const {
    return std::holds_alternative<MatrixB>(values_) == (precision == Precision::bf16);
  }

  /// Returns some rows, converted exactly to float32.
  MatrixF floats(Index first, Index count) const {
    return visit([=](const auto& values) { return MatrixF(values.middleRows(first, count).template cast<float>()); });
  }

  /// Returns a matrix of this size and Scalar (float or Eigen::bfloat16) to be filled. Reuses the memory if the type is
  /// the same.
  template <class Scalar>
  RowMajor<Scalar>& reset(Index rows, Index cols) {
    if (!std::holds_alternative<RowMajor<Scalar>>(values_)) values_.emplace<RowMajor<Scalar>>();
    auto& values = std::get<RowMajor<Scalar>>(values_);
    values.resize(rows, cols);
    return values;
  }

 private:
  std::variant<MatrixF, MatrixB> values_;
};

}  // namespace logitfield::kernels

#pragma once
#include <Eigen/Core>
#include <cstddef>
#include <limits>
#include <span>

namespace logitfield::kernels {

/// Row-major matrices: a row is a position (or a weight's output), contiguous in memory.
template <class Scalar>
using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// float64, for field statistics.
using Matrix = RowMajor<double>;
using Vector = Eigen::VectorXd;
using MatrixRef = Eigen::Ref<const Matrix, 0, Eigen::OuterStride<>>;

/// float32, for the forward pass.
using MatrixF = RowMajor<float>;
using VectorF = Eigen::VectorXf;
using MatrixFRef = Eigen::Ref<const MatrixF, 0, Eigen::OuterStride<>>;

/// bfloat16, the operand type of the products of a forward pass with that precision.
using MatrixB = RowMajor<Eigen::bfloat16>;
using MatrixBRef = Eigen::Ref<const MatrixB, 0, Eigen::OuterStride<>>;

/// The signed index type of Eigen.
using Index = Eigen::Index;

/// The distance from 1 to the next float64, about 2.2e-16.
inline constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

/// All entries of a matrix or vector that owns them, in the order of memory.
template <class Derived>
std::span<typename Derived::Scalar> as_span(Eigen::PlainObjectBase<Derived>& m) {
  return {m.data(), static_cast<std::size_t>(m.size())};
}
template <class Derived>
std::span<const typename Derived::Scalar> as_span(const Eigen::PlainObjectBase<Derived>& m) {
  return {m.data(), static_cast<std::size_t>(m.size())};
}

}  // namespace logitfield::kernels

#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// A square matrix known by its products with blocks of vectors [n, p], where this rank holds n rows. Collective.
class LinearOperator {
 public:
  virtual ~LinearOperator() = default;
  virtual Index rows() const = 0;
  /// apply: y = E x; apply_transpose: x = E^T y.
  virtual void apply(const Matrix& x, Matrix& y) const = 0;
  virtual void apply_transpose(const Matrix& y, Matrix& x) const = 0;
};

}  // namespace logitfield::kernels

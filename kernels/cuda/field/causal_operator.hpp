#pragma once
#include "kernels/cuda/field/causal_fields.hpp"
#include "kernels/spectra/linear_operator.hpp"

namespace logitfield::kernels::cuda {

/// The causal field of one head as an operator on blocks of vectors in host memory, which are multiplied on the device.
class CausalOperator final : public kernels::LinearOperator {
 public:
  /// The fields must be those of one head, and outlive the object.
  explicit CausalOperator(const CausalFields& field);

  Index rows() const override { return field_.length(); }
  void apply(const Matrix& x, Matrix& y) const override { multiply(true, x, y); }
  void apply_transpose(const Matrix& y, Matrix& x) const override { multiply(false, y, x); }

 private:
  void multiply(bool forwards, const Matrix& x, Matrix& y) const;

  const CausalFields& field_;
  /// The field inside its tiles [tiles, kDeviceTileRows, kDeviceTileRows].
  Buffer<double> inside_;
};

}  // namespace logitfield::kernels::cuda

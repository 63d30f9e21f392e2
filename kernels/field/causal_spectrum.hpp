#pragma once
#include <optional>
#include <vector>

#include "kernels/field/causal_field.hpp"

namespace logitfield::kernels {

/// det(1 + E E^T / t) for one shift t; E is divided by its Frobenius norm.
struct ShiftedDeterminant {
  /// Logarithm of its absolute value.
  double log = 0;
  /// The number of eigenvalues of E E^T below -t.
  Index below = 0;
  /// Amount by which rounding may have moved an eigenvalue.
  double rounding = 0;
};

/// Answers questions about the whole spectrum of a causal field without computing any singular value. This rank holds
/// some rows of the field. E E^T + t is the covariance of the outputs y_i = a_i . x_i + sqrt(t) v_i of a linear system.
/// Its state x_i = x_{i-1} + b_i w_i is driven by unit noise w, and v is unit noise too. So a Kalman filter over blocks
/// of rows factors E E^T + t. A shift costs about L w (4 w + 96) flops and w^2 numbers. A negative shift -s^2 gives the
/// inertia, hence the number of singular values below s (Sylvester). All calls are collective; team and field must
/// outlive the object.
class CausalSpectrum {
 public:
  /// `energy`: the squared Frobenius norm of the field, above 0.
  CausalSpectrum(const Team& team, const CausalField& field, Index length, double energy);

  /// One determinant per shift. Shifts are squares of singular values over the energy.
  std::vector<ShiftedDeterminant> determinants(std::span<const double> shifts) const;
  /// Sum of sigma^4 over the energy squared; exact, from running sums.
  double fourth_powers() const;

  Index length() const { return length_; }
  double energy() const { return energy_; }

 private:
  const Team& team_;
  const CausalField& field_;
  Index length_;
  double energy_;
};

/// Flops of one shift.
double determinant_flops(double length, double width);

/// Counts the singular values above sigma. Returns nothing if rounding could have moved one by `margin` in sigma^2.
std::optional<Index> count_above(const CausalSpectrum& spectrum, double sigma, double margin);

}  // namespace logitfield::kernels

#pragma once
#include "kernels/cpu/thin_factor.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// What all query heads of one KV head share: the centred keys of a context, factored.
struct KeyGeometry {
  /// Keys as they are, and minus their mean over positions, [L, d]; and their Frobenius norms.
  Matrix keys, centred;
  double norm = 0, centred_norm = 0;
  /// centred = factor.basis * factor.r.
  ThinFactor factor;
  /// centred^T centred [d, d].
  Matrix gram;
  /// leverage_j: squared norm of row j of an orthonormal basis of the column space of the centred keys.
  Vector leverage;
  KeyCoherence coherence;
};

/// O(L d^2). `keys` [L, d] finite, L >= 2.
KeyGeometry key_geometry(const MatrixRef& keys);

}  // namespace logitfield::kernels::cpu

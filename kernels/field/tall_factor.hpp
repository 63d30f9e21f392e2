#pragma once
#include "kernels/field/centring.hpp"
#include "kernels/field/thin_factor.hpp"

namespace logitfield::kernels {

/// One of the two factors of a field, decomposed, with the data for its certificate. Holds this rank's rows.
struct TallFactor {
  FactorRows rows;
  ThinFactor factor;
  /// Frobenius norm over the context.
  double norm = 0;
  /// rows^T x and basis^T x over the team; x are the probes of probe_rows.
  Matrix rows_probes, basis_probes;
};

/// Makes one pass for the Gram matrix and the probes, then calls thin_factor. 2 L w^2 flops if one Cholesky is enough.
/// Collective.
TallFactor tall_factor(const Team& team, FactorRows rows, const Placement& placement);

}  // namespace logitfield::kernels

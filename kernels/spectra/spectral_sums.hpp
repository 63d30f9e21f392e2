#pragma once
#include "kernels/spectra/krylov.hpp"

namespace logitfield::kernels::cpu {

/// A number and its standard error, 0 where it is exact.
struct Estimate {
  double value = 0, error = 0;
};

/// Vectors that estimate_spectrum multiplies by the field and by its transpose.
inline constexpr Index kQuadratureVectors = 32 * 128;

/// Statistics of the whole spectrum: those that leading components do not decide.
struct SpectrumEstimates {
  Estimate effective_rank, energy_effective_rank, participation_ratio;
  /// No singular value outside the leading triplets is larger, but with probability 1e-9.
  double largest_rest = 0;
};

/// Sums over the spectrum: exact over the leading triplets, the rest by stochastic Lanczos quadrature (Golub-Kahan, 32
/// random orthogonal probes outside the leading vectors; Ubaru, Chen & Saad 2017), with the rest's energy, which is
/// known, as control variate. Half way between quadratures that err to either side; errors by the jackknife, as if the
/// probes were independent, and half of what the quadratures differ by. Collective.
SpectrumEstimates estimate_spectrum(const Team& team, const LinearOperator& field, Index first_row,
                                    const LeadingTriplets& leading, Index length, double energy);

}  // namespace logitfield::kernels::cpu

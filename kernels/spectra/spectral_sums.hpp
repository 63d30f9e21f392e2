#pragma once
#include "kernels/spectra/krylov.hpp"

namespace logitfield::kernels {

/// A number and its standard error, 0 if it is exact.
struct Estimate {
  double value = 0, error = 0;
};

/// Numbers of random probes of estimate_spectrum, and of the vectors that it multiplies by the field and by its
/// transpose.
inline constexpr Index kProbeCount = 32, kQuadratureVectors = kProbeCount * 128;

/// Statistics of the whole spectrum that leading components do not determine.
struct SpectrumEstimates {
  Estimate effective_rank, energy_effective_rank, participation_ratio;
  /// Upper bound on the singular values outside the leading triplets; fails with probability 1e-9.
  double largest_rest = 0;
};

/// Estimates sums over the spectrum. The leading triplets are exact. The rest is estimated by stochastic Lanczos
/// quadrature (Golub-Kahan, kProbeCount random orthogonal probes outside the leading vectors; Ubaru, Chen & Saad 2017),
/// with the rest's energy, which is known, as control variate. The value is the mean of two quadratures that err in
/// opposite directions. The error combines the jackknife, as if the probes were independent, and half the difference of
/// the quadratures. Collective.
SpectrumEstimates estimate_spectrum(const Team& team, const LinearOperator& field, Index first_row,
                                    const LeadingTriplets& leading, Index length, double energy);

}  // namespace logitfield::kernels

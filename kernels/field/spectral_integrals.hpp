#pragma once
#include "kernels/field/causal_spectrum.hpp"
#include "kernels/spectra/spectral_sums.hpp"

namespace logitfield::kernels {

/// Effective ranks and participation ratio of a causal field, from integrals over ln det(E E^T + t):
///   sum sigma            = 1/pi times the integral of ln det(1 + E E^T / s^2) over s,
///   sum sigma ln sigma   likewise with a factor ln s,
///   sum sigma^2 ln sigma^2 likewise.
/// The trapezoidal rule in ln t converges exponentially. No random numbers are used. `error` is a bound on the errors
/// from the smallest singular values (below 1e-6 of the norm), from the rule and from rounding. Takes about 30 filters
/// (see CausalSpectrum). Collective.
SpectrumEstimates integrate_spectrum(const CausalSpectrum& spectrum);
/// Returns the number of shifts that integrate_spectrum needs.
Index integral_shifts();

}  // namespace logitfield::kernels

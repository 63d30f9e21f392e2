#include "kernels/field/spectral_integrals.hpp"

#include <cmath>
#include <numbers>

namespace logitfield::kernels {
namespace {

/// Step in ln t. The integrands are analytic within pi of the real line, so the rule errs by 2 exp(-2 pi^2 / step).
constexpr double kStep = 1.2;
constexpr double kRuleError = 1e-6;
/// Shifts begin far above the largest eigenvalue, where three terms of a series are enough. They end where the rest is
/// lost in the rounding of E E^T.
constexpr double kHighest = 1e3, kLowest = 1e-12;

/// F(t) = ln det(1 + E E^T / t) at t = highest exp(-k step), k = 0, 1 ...
struct Samples {
  double highest = 0;
  std::vector<double> values;
  double shift(Index k) const { return highest * std::exp(-kStep * static_cast<double>(k)); }
};

Samples sample(const CausalSpectrum& spectrum) {
  const Index count = integral_shifts();
  Samples out{kHighest, {}};
  std::vector<double> shifts;
  for (Index k = 0; k < count; ++k) shifts.push_back(out.shift(k));
  const std::vector<ShiftedDeterminant> found = spectrum.determinants(shifts);
  for (Index k = 0; k < count; ++k) {
    if (found[k].below > 0) break;  // negative eigenvalues are rounding
    out.values.push_back(found[k].log);
  }
  return out;
}

struct Integrals {
  double sigma = 0, sigma_log = 0, energy_log = 0;
};

/// The integrals, in units in which the energy is one. Below the last shift F grows by `rank` per unit of ln t.
Integrals integrate(const Samples& samples, double fourth_powers, double rank) {
  const double pole = fourth_powers / 2;  // makes E / (t + pole) agree with F for large t in two terms
  double weight = 0, weight_log = 0, rest = 0;
  const auto add = [&](double t, double f) {
    const double root = std::sqrt(t);
    weight += root * f / 2;
    weight_log += root * f / 2 * std::log(root);
    rest += t * (f - 1 / (t + pole));
  };
  constexpr Index kBeyond = 60;  // steps, over which t changes by exp(72)
  for (Index k = 1; k <= kBeyond; ++k) {
    const double t = samples.shift(-k);
    add(t, 1 / t - fourth_powers / (2 * t * t));
  }
  const Index count = std::ssize(samples.values);
  for (Index k = 0; k < count; ++k) add(samples.shift(k), samples.values[k]);
  for (Index k = 1; k <= kBeyond; ++k) {
    add(samples.shift(count - 1 + k), samples.values.back() + rank * kStep * static_cast<double>(k));
  }
  Integrals out;
  out.sigma = kStep * weight / std::numbers::pi;
  out.sigma_log = out.sigma + kStep * weight_log / std::numbers::pi;
  out.energy_log = 1 + std::log(pole) - kStep * rest;
  return out;
}

double effective_rank(const Integrals& s) { return std::exp(std::log(s.sigma) - s.sigma_log / s.sigma); }

}  // namespace

Index integral_shifts() { return static_cast<Index>(std::ceil(std::log(kHighest / kLowest) / kStep)) + 1; }

SpectrumEstimates integrate_spectrum(const CausalSpectrum& spectrum) {
  const double fourth = spectrum.fourth_powers();
  const Samples samples = sample(spectrum);
  const std::size_t last = samples.values.size() - 1;
  // At least this many singular values are above the last shift; any others may be anywhere below.
  const double fewest = (samples.values[last] - samples.values[last - 1]) / kStep;
  const Integrals least = integrate(samples, fourth, fewest);
  const Integrals most = integrate(samples, fourth, static_cast<double>(spectrum.length()));
  const auto between = [](double a, double b) {
    return Estimate{(a + b) / 2, std::abs(a - b) / 2 + kRuleError * std::abs(a)};
  };
  return {between(effective_rank(least), effective_rank(most)),
          between(std::exp(-least.energy_log), std::exp(-most.energy_log)),
          {1 / fourth, 0}};
}

}  // namespace logitfield::kernels

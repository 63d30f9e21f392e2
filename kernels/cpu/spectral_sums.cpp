#include "kernels/cpu/spectral_sums.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/cpu/lapack.hpp"
#include "kernels/random.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr Index kProbeCount = 32, kMostSteps = 64;
constexpr std::uint64_t kProbeSeed = 0x736c71;

/// Sums over singular values, in units in which the field's energy is one: sigma, sigma ln sigma, e ln e, e^2, and e.
enum Sum { kSigma, kSigmaLog, kEnergyLog, kEnergySquared, kEnergy, kSums };
using Sums = std::array<double, kSums>;

void add(double sigma, double weight, Sums& sums) {
  if (!(sigma > 0)) return;
  const double e = sigma * sigma, log = std::log(sigma);
  sums[kSigma] += weight * sigma;
  sums[kSigmaLog] += weight * sigma * log;
  sums[kEnergyLog] += weight * e * 2 * log;
  sums[kEnergySquared] += weight * e * e;
  sums[kEnergy] += weight * e;
}

/// Gauss quadrature of the sums with the first `steps` steps of one probe's bidiagonal matrix, for a space of
/// `dimension` dimensions, sigma in `unit`.
Sums quadrature(const Bidiagonal& b, Index steps, double dimension, double unit) {
  const Index m = std::min<Index>(steps, std::ssize(b.diagonal));
  Sums out{};
  if (m == 0) return out;
  const QuadratureNodes nodes =
      quadrature_nodes({{b.diagonal.begin(), b.diagonal.begin() + m}, {b.above.begin(), b.above.begin() + m - 1}});
  for (Index l = 0; l < m; ++l) add(nodes.sigma[l] / unit, dimension * nodes.first[l] * nodes.first[l], out);
  return out;
}

Vector column_norms(const Team& team, const Matrix& w) {
  Matrix squares = w.colwise().squaredNorm();
  sum_over(team, squares);
  return squares.row(0).cwiseSqrt();
}

/// Column by column 1 / x, 0 where x is not above `least`.
Vector inverse_above(double least, const Vector& x) { return (x.array() > least).select(x.array().inverse(), 0.0); }

/// At every step: what is left of the basis grows by (sigma / sigma of the rest)^2 a step, and comes back from the
/// probe's other side if it is removed now and then.
void leave(const BlockBasis& basis, Matrix& w) { basis.subtract(basis.project(w), w); }

/// Golub-Kahan bidiagonalisation (superdiagonals one longer than they need be) from kProbeCount random vectors at once,
/// outside the span of v and orthogonal to each other: that errs less than independent ones, and not at all where they
/// fill the space.
std::vector<Bidiagonal> bidiagonalise(const Team& team, const LinearOperator& field, Index first_row,
                                      const LeadingTriplets& leading, Index dimension, Index steps) {
  const double vanishing = 1e-13 * leading.sigma[0];
  Matrix v = gaussian_rows(kProbeSeed, first_row, field.rows(), std::min(dimension, kProbeCount)), u, image;
  orthonormalise(team, leading.v, 1, v);
  std::vector<Bidiagonal> out(v.cols());
  Vector beta = Vector::Zero(v.cols());
  for (Index step = 0; step < steps; ++step) {
    field.apply(v, image);
    if (step > 0) image -= u * beta.asDiagonal();
    const Vector alpha = column_norms(team, image);
    u = image * inverse_above(vanishing, alpha).asDiagonal();
    field.apply_transpose(u, image);
    image -= v * alpha.asDiagonal();
    leave(leading.v, image);
    beta = column_norms(team, image);
    v = image * inverse_above(vanishing, beta).asDiagonal();
    for (Index p = 0; p < v.cols(); ++p) {
      Bidiagonal& b = out[p];
      // A probe that has met an invariant subspace is done: its quadrature is exact.
      const bool done = std::ssize(b.diagonal) < step || (step > 0 && b.above.back() <= vanishing);
      if (done) continue;
      b.diagonal.push_back(alpha[p]);
      b.above.push_back(alpha[p] > vanishing ? beta[p] : 0);
    }
  }
  return out;
}

using Values = std::array<double, 3>;

/// Effective rank, energy effective rank and participation ratio; `energy`: of all the sigma in the sums, about one.
Values statistics_of(const Sums& s, double energy) {
  return {std::exp(std::log(s[kSigma]) - s[kSigmaLog] / s[kSigma]), std::exp(std::log(energy) - s[kEnergyLog] / energy),
          energy * energy / s[kEnergySquared]};
}

/// Leading sums + mean of the probes' sums, each corrected by what the probes get wrong about the rest's energy, as far
/// as that is known: to `rounding`. `without`: a probe to leave out.
Values estimate(const Sums& leading, const std::vector<Sums>& probes, double rounding, Index without) {
  const double rest = 1 - leading[kEnergy];
  double count = 0;
  Sums mean{}, covariance{};
  for (Index p = 0; p < std::ssize(probes); ++p) {
    if (p == without) continue;
    ++count;
    for (int s = 0; s < kSums; ++s) mean[s] += probes[p][s];
  }
  for (double& m : mean) m /= count;
  for (Index p = 0; p < std::ssize(probes); ++p) {
    if (p == without) continue;
    for (int s = 0; s < kSums; ++s) {
      covariance[s] += (probes[p][s] - mean[s]) * (probes[p][kEnergy] - mean[kEnergy]);
    }
  }
  Sums total = leading;
  for (int s = 0; s < kSums; ++s) {
    const double slope = covariance[s] / (covariance[kEnergy] + count * std::max(count - 1, 1.0) * rounding * rounding);
    total[s] += mean[s] - slope * (mean[kEnergy] - rest);
  }
  return statistics_of(total, 1);
}

/// Jackknife standard errors over the probes; 0 for one, which fills its space.
Values jackknife(const Sums& leading, const std::vector<Sums>& probes, double rounding) {
  const double n = static_cast<double>(probes.size());
  if (n < 2) return {};
  std::vector<Values> each;
  Values mean{}, out{};
  for (Index p = 0; p < std::ssize(probes); ++p) each.push_back(estimate(leading, probes, rounding, p));
  for (std::size_t i = 0; i < mean.size(); ++i) {
    for (const Values& v : each) mean[i] += v[i] / n;
    for (const Values& v : each) out[i] += (v[i] - mean[i]) * (v[i] - mean[i]);
    out[i] = std::sqrt(out[i] * (n - 1) / n);
  }
  return out;
}

}  // namespace

SpectrumEstimates estimate_spectrum(const Team& team, const LinearOperator& field, Index first_row,
                                    const LeadingTriplets& leading, Index length, double energy) {
  const double unit = std::sqrt(energy);
  const double rounding = static_cast<double>(length) * std::numeric_limits<double>::epsilon();
  Sums exact{};
  for (const double sigma : leading.sigma) add(sigma / unit, 1, exact);
  if (leading.complete) {
    const Values v = statistics_of(exact, exact[kEnergy]);
    return {{v[0], 0}, {v[1], 0}, {v[2], 0}};
  }
  const Index dimension = length - std::ssize(leading.sigma), steps = std::min(dimension, kMostSteps);
  const std::vector<Bidiagonal> probes = bidiagonalise(team, field, first_row, leading, dimension, steps);
  std::vector<Sums> all, shorter;
  for (const Bidiagonal& b : probes) {
    all.push_back(quadrature(b, steps, static_cast<double>(dimension), unit));
    shorter.push_back(quadrature(b, std::max<Index>(1, 3 * steps / 4), static_cast<double>(dimension), unit));
  }
  const Values value = estimate(exact, all, rounding, -1), before = estimate(exact, shorter, rounding, -1);
  const Values spread = jackknife(exact, all, rounding);
  const auto made = [&](std::size_t i) { return Estimate{value[i], std::hypot(spread[i], value[i] - before[i])}; };
  return {made(0), made(1), made(2)};
}

}  // namespace logitfield::kernels::cpu

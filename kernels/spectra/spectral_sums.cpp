#include "kernels/spectra/spectral_sums.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/random.hpp"
#include "kernels/spectra/lapack.hpp"

namespace logitfield::kernels {
namespace {

constexpr Index kMostSteps = kQuadratureVectors / kProbeCount;
/// Failure probability of the bound on singular values that the probes have missed.
constexpr double kFailure = 1e-9;
constexpr std::uint64_t kProbeSeed = 0x736c71;

/// Sums over singular values, in units in which the field's energy is one: sigma, sigma ln sigma, e ln e, e^2, and e.
enum Sum { kSigma, kSigmaLog, kEnergyLog, kEnergySquared, kEnergy, kSums };
using SumsOfValues = std::array<double, kSums>;

void add(double sigma, double weight, SumsOfValues& sums) {
  if (!(sigma > 0)) return;
  const double e = sigma * sigma, log = std::log(sigma);
  sums[kSigma] += weight * sigma;
  sums[kSigmaLog] += weight * sigma * log;
  sums[kEnergyLog] += weight * e * 2 * log;
  sums[kEnergySquared] += weight * e * e;
  sums[kEnergy] += weight * e;
}

/// Two quadratures of the sums with one probe's bidiagonal matrix, for a space of `dimension` dimensions, sigma in
/// `unit`. For the sum of sigma, Gauss quadrature errs to one side (the even derivatives in sigma^2 are negative), and
/// Gauss-Radau with a node at zero to the other (Golub & Meurant 1994).
struct Quadratures {
  SumsOfValues gauss{}, radau{};
  /// Largest node.
  double largest = 0;
};

/// B^T B [m + 1, m + 1] of the m x (m + 1) matrix B.
Matrix normal_matrix(const Bidiagonal& b) {
  const Index m = std::ssize(b.diagonal);
  Matrix out = Matrix::Zero(m + 1, m + 1);
  for (Index l = 0; l < m; ++l) {
    out(l, l) += b.diagonal[l] * b.diagonal[l];
    out(l + 1, l) = out(l, l + 1) = b.diagonal[l] * b.above[l];
    out(l + 1, l + 1) += b.above[l] * b.above[l];
  }
  return out;
}

Quadratures quadratures(const Bidiagonal& b, double dimension, double unit) {
  const Index m = std::ssize(b.diagonal);
  Quadratures out;
  if (m == 0) return out;
  const QuadratureNodes nodes = quadrature_nodes({b.diagonal, {b.above.begin(), b.above.begin() + m - 1}});
  for (Index l = 0; l < m; ++l) add(nodes.sigma[l] / unit, dimension * nodes.first[l] * nodes.first[l], out.gauss);
  out.largest = nodes.sigma[0];
  const SymmetricEigen radau = symmetric_eigen(normal_matrix(b));
  for (Index l = 0; l <= m; ++l) {
    const double first = radau.vectors(0, l);
    add(std::sqrt(std::max(radau.values[l], 0.0)) / unit, dimension * first * first, out.radau);
  }
  return out;
}

Vector column_norms(const Team& team, const Matrix& w) {
  Matrix squares = w.colwise().squaredNorm();
  sum_over(team, squares);
  return squares.row(0).cwiseSqrt();
}

/// 1 / x for each entry; 0 if x is not above `least`.
Vector inverse_above(double least, const Vector& x) { return (x.array() > least).select(x.array().inverse(), 0.0); }

/// Removes the basis from w; called at every step. Otherwise what rounding leaves of the basis grows by (sigma / sigma
/// of the rest)^2 a step. Removed only occasionally, it returns from the probe's other side.
void leave(const BlockBasis& basis, Matrix& w) { basis.subtract(basis.project(w), w); }

/// Golub-Kahan bidiagonalisation from kProbeCount random vectors at once; superdiagonals are one longer than necessary.
/// The vectors are outside the span of v and orthogonal to each other. Such vectors err less than independent ones, and
/// not at all if they fill the space.
std::vector<Bidiagonal> bidiagonalise(const Team& team, const LinearOperator& field, Index first_row,
                                      const LeadingTriplets& leading, Index dimension, Index steps) {
  const double vanishing = 1e-13 * leading.sigma[0];
  Matrix v = gaussian_rows(kProbeSeed, first_row, field.rows(), std::min(dimension, kProbeCount)), u, image;
  orthonormalise(team, leading.v, 16 * kEpsilon, v);
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
      // A probe that has reached an invariant subspace is done: its quadrature is exact.
      const bool done = std::ssize(b.diagonal) < step || (step > 0 && b.above.back() <= vanishing);
      if (done) continue;
      b.diagonal.push_back(alpha[p]);
      b.above.push_back(alpha[p] > vanishing ? beta[p] : 0);
    }
  }
  return out;
}

using Values = std::array<double, 3>;

/// Effective rank, energy effective rank and participation ratio; `energy` is that of all the sigma in the sums, about
/// one.
Values statistics_of(const SumsOfValues& s, double energy) {
  return {std::exp(std::log(s[kSigma]) - s[kSigmaLog] / s[kSigma]), std::exp(std::log(energy) - s[kEnergyLog] / energy),
          energy * energy / s[kEnergySquared]};
}

/// Leading sums + mean of the probes' sums. Each is corrected by the probes' error in the rest's energy, as far as that
/// energy is known: to `rounding`. `without`: a probe to leave out.
Values estimate(const SumsOfValues& leading, const std::vector<SumsOfValues>& probes, double rounding, Index without) {
  const double rest = 1 - leading[kEnergy];
  double count = 0;
  SumsOfValues mean{}, covariance{};
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
  SumsOfValues total = leading;
  for (int s = 0; s < kSums; ++s) {
    const double slope = covariance[s] / (covariance[kEnergy] + count * std::max(count - 1, 1.0) * rounding * rounding);
    total[s] += mean[s] - slope * (mean[kEnergy] - rest);
  }
  return statistics_of(total, 1);
}

/// Jackknife standard errors over the probes; 0 for a single probe, which fills its space.
Values jackknife(const SumsOfValues& leading, const std::vector<SumsOfValues>& probes, double rounding) {
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

/// Factor by which the largest singular value of a matrix may exceed the one found by `probes` random vectors in
/// `steps` steps, except with probability kFailure (Kuczynski & Wozniakowski 1992, Theorem 4.2).
double most_missed(Index dimension, Index steps, Index probes) {
  const double odds =
      std::log(1.648 * std::sqrt(static_cast<double>(dimension))) - std::log(kFailure) / static_cast<double>(probes);
  const double root = odds / static_cast<double>(2 * steps - 1);
  return root < 1 ? 1 / std::sqrt(1 - root * root) : std::numeric_limits<double>::infinity();
}

}  // namespace

SpectrumEstimates estimate_spectrum(const Team& team, const LinearOperator& field, Index first_row,
                                    const LeadingTriplets& leading, Index length, double energy) {
  const double unit = std::sqrt(energy);
  const double rounding = static_cast<double>(length) * kEpsilon;
  SumsOfValues exact{};
  for (const double sigma : leading.sigma) add(sigma / unit, 1, exact);
  const Index dimension = length - std::ssize(leading.sigma), steps = std::min(dimension, kMostSteps);
  const std::vector<Bidiagonal> probes = bidiagonalise(team, field, first_row, leading, dimension, steps);
  std::vector<SumsOfValues> gauss, radau, middle;
  SpectrumEstimates out;
  for (const Bidiagonal& b : probes) {
    const Quadratures q = quadratures(b, static_cast<double>(dimension), unit);
    gauss.push_back(q.gauss);
    radau.push_back(q.radau);
    SumsOfValues& mean = middle.emplace_back();
    for (int s = 0; s < kSums; ++s) mean[s] = (q.gauss[s] + q.radau[s]) / 2;
    out.largest_rest = std::max(out.largest_rest, q.largest);
  }
  out.largest_rest *= most_missed(dimension, steps, std::ssize(probes));
  const Values value = estimate(exact, middle, rounding, -1), spread = jackknife(exact, middle, rounding);
  const Values high = estimate(exact, gauss, rounding, -1), low = estimate(exact, radau, rounding, -1);
  const auto made = [&](std::size_t i) { return Estimate{value[i], std::hypot(spread[i], (high[i] - low[i]) / 2)}; };
  out.effective_rank = made(0);
  out.energy_effective_rank = made(1);
  out.participation_ratio = made(2);
  return out;
}

}  // namespace logitfield::kernels

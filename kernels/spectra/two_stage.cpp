#include "kernels/spectra/two_stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "kernels/spectra/band_reduction.hpp"
#include "kernels/spectra/bulge_chasing.hpp"
#include "kernels/spectra/coupled_halves.hpp"
#include "kernels/spectra/lapack.hpp"

namespace logitfield::kernels {
namespace {

/// Below this size LAPACK is as fast.
constexpr Index kSmallest = 128;
/// Extra dimensions, beyond the rank, that random combinations of rows need to find all directions.
constexpr Index kSpare = 4;
/// Halves pay from this many band widths on: in smaller matrices the wider band costs more than they save.
constexpr Index kWidthsOfHalves = 10;

Band reduce(Matrix& a, Index coupling) {
  const auto* const width = std::ranges::find_if(kBandWidths, [&](Index w) { return w >= coupling + kSpare; });
  if (width != std::end(kBandWidths) && a.rows() >= kWidthsOfHalves * *width) {
    if (std::optional<Band> out = reduce_halves(a, *width)) return std::move(*out);
  }
  return reduce_to_band(a, kBandWidths[0]);
}

}  // namespace

std::vector<double> two_stage_singular_values(Matrix a) {
  const Index unknown = a.rows();
  return two_stage_singular_values(std::move(a), unknown);
}

std::vector<double> two_stage_singular_values(Matrix a, Index coupling) {
  if (a.rows() != a.cols())
    throw std::invalid_argument(fmt::format("a {} x {} matrix is not square", a.rows(), a.cols()));
  if (a.rows() < kSmallest) return singular_values(std::move(a));
  const double largest = a.cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
  if (!std::isfinite(largest)) throw std::runtime_error(fmt::format("a {0} x {0} matrix is not finite", a.rows()));
  if (largest == 0) return std::vector<double>(a.rows(), 0.0);
  // No square may overflow, and squares that underflow must be below rounding. Scaling by powers of two does not round.
  // The largest power that has an inverse is good enough for the smallest elements.
  const int exponent = std::ilogb(largest);
  const double scale = std::abs(exponent) <= 200 ? 1 : std::ldexp(1.0, std::clamp(-exponent, -1000, 1000));
  if (scale != 1) a *= scale;
  std::vector<double> sigma = singular_values(bidiagonalise(reduce(a, coupling)));
  for (double& s : sigma) s /= scale;
  return sigma;
}

}  // namespace logitfield::kernels

#include "kernels/cpu/two_stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/cpu/band_reduction.hpp"
#include "kernels/cpu/bulge_chasing.hpp"
#include "kernels/cpu/lapack.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Below, LAPACK is as fast.
constexpr Index kSmallest = 128;

}  // namespace

std::vector<double> two_stage_singular_values(Matrix a) {
  if (a.rows() != a.cols()) throw std::invalid_argument(fmt::format("{} x {} is not square", a.rows(), a.cols()));
  if (a.rows() < kSmallest) return singular_values(std::move(a));
  if (!a.allFinite()) throw std::runtime_error(fmt::format("a {0} x {0} matrix is not finite", a.rows()));
  const double largest = a.cwiseAbs().maxCoeff();
  if (largest == 0) return std::vector<double>(a.rows(), 0.0);
  // Elements near one: no square overflows, and what underflows is beneath rounding. Powers of two do not round; the
  // largest that has an inverse serves the smallest elements well enough.
  const double scale = std::ldexp(1.0, std::clamp(-std::ilogb(largest), -1000, 1000));
  a *= scale;
  reduce_to_band(a);
  std::vector<double> sigma = singular_values(bidiagonalise(a));
  for (double& s : sigma) s /= scale;
  return sigma;
}

}  // namespace logitfield::kernels::cpu

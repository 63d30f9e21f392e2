#include <algorithm>
#include <cmath>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {
namespace {

/// A bound looser than this certifies nothing: so much cancellation leaves fewer than six digits.
constexpr double kLoosestBound = 1e-6;

/// What two routes to one field may differ by: singular values by their triplets' residuals.
constexpr double kDenseAgreement = 1e-7;

/// False for NaN.
bool within(double error, double bound) { return error <= std::min(bound, kLoosestBound); }

}  // namespace

bool Certificate::certified() const {
  return finite && within(energy_error, energy_bound) && within(probe_residual, probe_bound) && zero_sum_margin <= 1 &&
         rank <= rank_bound && within(delocalisation_excess, energy_bound) &&
         (std::isnan(dense_difference) || dense_difference <= kDenseAgreement);
}

}  // namespace logitfield::kernels

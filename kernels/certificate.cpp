#include <algorithm>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {
namespace {

/// A bound looser than this certifies nothing: so much cancellation leaves fewer than six digits.
constexpr double kLoosestBound = 1e-6;

/// False for NaN.
bool within(double error, double bound) { return error <= std::min(bound, kLoosestBound); }

}  // namespace

bool Certificate::certified() const {
  return finite && within(energy_error, energy_bound) && within(probe_residual, probe_bound) && zero_sum_margin <= 1 &&
         rank <= rank_bound && within(delocalisation_excess, energy_bound);
}

}  // namespace logitfield::kernels

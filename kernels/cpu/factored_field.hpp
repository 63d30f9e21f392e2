#pragma once
#include "kernels/cpu/tall_factor.hpp"

namespace logitfield::kernels::cpu {

/// The field E = a b^T, exactly: SVD of the core r_a r_b^T [w, w], then one pass over each factor for the energies and
/// probes. 2 L w^2 flops and O(w^3). A field whose sigma_1 is at most `noise` is zero. Checks: the sum of sigma^2
/// against the sums of the energies; E X and E^T Y by the factors against U S V^T X and V S U^T Y on random signs X and
/// Y, and their norms against those of S V^T X and S U^T Y. Collective.
RouteResult factored_field(const Team& team, const TallFactor& a, const TallFactor& b, const Placement& placement,
                           double noise);

}  // namespace logitfield::kernels::cpu

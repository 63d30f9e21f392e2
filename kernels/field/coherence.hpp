#pragma once
#include "kernels/field/tall_factor.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// leverage_j, the squared norm of row j of an orthonormal basis of the column space of a factor, for this rank's rows
/// [n]. Also the numerical rank: the number of sigma > max(L, w) * eps * sigma_1. L w^2 flops. Collective.
struct Leverage {
  Vector values;
  std::int64_t rank = 0;
  /// Leverages of the whole basis. Directions too small to count for the rank may still carry a field, if the queries
  /// are large there. Empty if the rank is full.
  Vector whole = {};
};
Leverage leverage(const TallFactor& factor, const Placement& placement);

/// (L / r) max_j leverage_j of the centred and of the uncentred keys. The column space of the uncentred keys is that of
/// the centred keys and the constant direction, less one direction, so one pass gives both. `mean` is the keys' mean.
/// NaN if there is no column space. Collective.
struct CoherentKeys {
  KeyCoherence statistics;
  Leverage leverage;
};
CoherentKeys key_coherence(const Team& team, const TallFactor& keys, const Eigen::RowVectorXd& mean,
                           const Placement& placement);

/// The coherences of keys of full rank, from the singular values of the centred keys (those of the triangle r of their
/// factor) and the largest leverages.
KeyCoherence full_rank_coherence(double length, const std::vector<double>& sigma, double largest, double largest_raw);

}  // namespace logitfield::kernels

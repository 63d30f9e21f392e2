#pragma once
#include "kernels/field/factor_rows.hpp"
#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// A KV head's keys [n, d] minus their mean over the whole context. Subtracting one vector from all keys moves every
/// logit of a row alike, so it changes no field, and it keeps row means from cancelling later.
struct CentredKeys {
  FactorRows rows;
  Eigen::RowVectorXd mean;
  /// Frobenius norm of the keys as they are, over the context.
  double raw_norm = 0;
};

/// Keys that are constant to rounding give exactly zero, so that a zero field is seen as one. Collective.
CentredKeys centred_keys(const Team& team, const MatrixFRef& keys, const Placement& placement);

/// Factors of x_ij = scale q_i . k_j + alibi_slope (j - i), up to terms that leave with the row mean: scaled queries
/// with a column of slopes, centred keys with a column of centred positions (both columns only where there is a slope).
FactorRows field_queries(const MatrixFRef& queries, const LogitForm& form);
FactorRows field_keys(const CentredKeys& keys, const LogitForm& form, const Placement& placement);

/// m_i = a_i . mean over j <= i of b_j, for this rank's rows [n]: the causal row means. O(L w). Collective.
Vector causal_means(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement);

}  // namespace logitfield::kernels::cpu

#pragma once
#include "kernels/field/factor_rows.hpp"
#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// A KV head's keys [n, d] minus their mean over the whole context. Subtracting one vector from all keys shifts all
/// logits of a row equally, so it changes no field. It also prevents cancellation in later row means.
struct CentredKeys {
  FactorRows rows;
  Eigen::RowVectorXd mean;
  /// Frobenius norm of the uncentred keys, over the context.
  double raw_norm = 0;
};

/// Centres the keys. Keys that are constant to rounding become exactly zero, so that a zero field is recognised.
/// Collective.
CentredKeys centred_keys(const Team& team, const MatrixFRef& keys, const Placement& placement);

/// Return the factors of x_ij = scale q_i . k_j + alibi_slope (j - i), up to terms that cancel with the row mean. They
/// are scaled queries with a column of slopes, and centred keys with a column of centred positions. Without a slope
/// both columns are omitted.
FactorRows field_queries(const MatrixFRef& queries, const LogitForm& form);
FactorRows field_keys(const CentredKeys& keys, const LogitForm& form, const Placement& placement);

/// The causal row means m_i = a_i . mean over j <= i of b_j, for this rank's rows [n]. O(L w). Collective.
Vector causal_means(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement);

}  // namespace logitfield::kernels

#pragma once
#include "kernels/matrix.hpp"
#include "kernels/scope.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::oracle {

/// The slow, readable reference for every other implementation. Forms the L x L field from the definition and its dense
/// SVD (Eigen's Jacobi); uses neither the rank bound nor a factor form. O(L^3); for tests. Fills only the zero-sum
/// residual of the certificate.
HeadStatistics field_statistics(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form, Scope scope);

/// Return the logits S [L, L], and the field E of a scope.
Matrix logits(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form);
Matrix energy_field(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form, Scope scope);

}  // namespace logitfield::kernels::oracle

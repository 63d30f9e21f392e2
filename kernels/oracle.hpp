#pragma once
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::oracle {

/// The slow, readable reference of every other implementation: forms the L x L field and its dense SVD (Eigen's
/// Jacobi), uses neither the rank bound nor a factor form. O(L^3); for tests. Leaves the certificate's bounds
/// untouched.
HeadStatistics full_field(const MatrixRef& queries, const MatrixRef& keys, double scale);

/// E = S - row mean [L, L].
Matrix full_energy_field(const MatrixRef& queries, const MatrixRef& keys, double scale);

}  // namespace logitfield::kernels::oracle

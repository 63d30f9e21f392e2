#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/scalapack/block_cyclic.hpp"

namespace logitfield::scalapack {

/// pdgesvd: all min(m, n) singular values, descending, with the same bits on every rank. Destroys `a`. Collective.
/// Every rank throws the same std::runtime_error if `a` is not finite, if the workspace exceeds ScaLAPACK's 32-bit
/// count, or if pdgesvd fails.
std::vector<double> singular_values(DistributedMatrix& a);

/// Elements of pdgesvd's workspace on process (0, 0), which needs the most, for a matrix of this layout. Evaluates the
/// routine's own formula in 64 bits, because its workspace query overflows silently and rounds.
std::uint64_t svd_workspace(BlockCyclic layout);

/// svd_workspace as the integer type of pdgesvd. Throws std::runtime_error naming size and remedy if above INT_MAX.
int checked_svd_workspace(const BlockCyclic& layout);

}  // namespace logitfield::scalapack

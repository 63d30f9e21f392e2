#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/scalapack/block_cyclic.hpp"

namespace logitfield::scalapack {

/// a = u * diag(sigma) * vt with k = min(m, n): sigma descending, the same bits on every rank; u [m, k] and vt [k, n]
/// distributed as a was.
struct DistributedSvd {
  std::vector<double> sigma;
  DistributedMatrix u, vt;
};

/// pdgesvd: all min(m, n) singular values, descending, the same bits on every rank. Leaves `a` destroyed. Collective.
/// Every rank throws the same std::runtime_error if `a` is not finite, if the workspace exceeds what ScaLAPACK's 32-bit
/// count can say, or if pdgesvd fails.
std::vector<double> singular_values(DistributedMatrix& a);
/// The same with vectors: QR iteration, tens of times slower.
DistributedSvd svd(DistributedMatrix& a);

/// Elements of pdgesvd's workspace on process (0, 0), which needs the most, for a matrix laid out so. The formula is
/// the routine's own, in 64 bits: its workspace query overflows silently, and rounds.
std::uint64_t svd_workspace(const BlockCyclic& layout, bool vectors);

/// svd_workspace as pdgesvd takes it. Throws std::runtime_error naming size and remedy above INT_MAX.
int checked_svd_workspace(const BlockCyclic& layout, bool vectors);

}  // namespace logitfield::scalapack

#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/matrix.hpp"
#include "pipeline/scalapack/process_grid.hpp"

namespace logitfield::scalapack {

/// Rows and columns of a block. Seconds for the singular values of a random matrix, n = 2000, on 1 and 2 ranks (better
/// of two runs): block 32 took 3.8 and 2.2, block 64 took 3.7 and 2.0, block 128 took 3.6 and 2.6.
inline constexpr int kBlock = 64;

/// Layout of a rows x columns matrix: square blocks are assigned to the grid cyclically in both directions, starting at
/// process (0, 0).
struct BlockCyclic {
  int rows = 1, columns = 1, block = kBlock;
  ProcessGridShape grid;
  GridPosition position;

  int local_rows() const;
  int local_columns() const;
  /// Distance between columns of the local part, in elements.
  int leading_dimension() const;
  /// Elements of the local part, padding included.
  std::uint64_t local_size() const;
  /// Global index, from 0, of each local row (column); ascending.
  std::vector<int> global_rows() const;
  std::vector<int> global_columns() const;
};

/// ScaLAPACK's descriptor of a distributed matrix, and the local part of one.
using Descriptor = std::array<int, 9>;
using LocalPart = Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>>;
using ConstLocalPart = Eigen::Map<const Eigen::MatrixXd, 0, Eigen::OuterStride<>>;

/// One rank's part of a float64 matrix that is spread over a grid, which must outlive it. Starts as zeros.
class DistributedMatrix {
 public:
  /// Throws std::invalid_argument if rows, columns or block are below 1, and std::runtime_error, on all ranks alike,
  /// where a local part would hold more elements than ScaLAPACK's 32-bit indices reach.
  DistributedMatrix(const ProcessGrid& grid, int rows, int columns, int block = kBlock);

  const ProcessGrid& grid() const { return *grid_; }
  const BlockCyclic& layout() const { return layout_; }
  const Descriptor& descriptor() const { return descriptor_; }
  double* data() { return storage_.data(); }
  const double* data() const { return storage_.data(); }
  /// [local rows, local columns], column-major.
  LocalPart local();
  ConstLocalPart local() const;

 private:
  const ProcessGrid* grid_;
  BlockCyclic layout_;
  Descriptor descriptor_;
  std::vector<double> storage_;
};

}  // namespace logitfield::scalapack

#include "pipeline/scalapack/block_cyclic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "pipeline/scalapack/declarations.hpp"

namespace logitfield::scalapack {
namespace {

constexpr int kFirst = 0;

std::vector<int> global_indices(int count, int block, int coordinate, int processes) {
  std::vector<int> out(count);
  for (int i = 0; i < count; ++i) out[i] = (i / block * processes + coordinate) * block + i % block;
  return out;
}

BlockCyclic checked(BlockCyclic layout) {
  if (layout.rows < 1 || layout.columns < 1 || layout.block < 1) {
    throw std::invalid_argument(fmt::format("cannot distribute a matrix of {} x {} in blocks of {}", layout.rows,
                                            layout.columns, layout.block));
  }
  // Check process (0, 0), which holds the most, so that all ranks decide alike.
  BlockCyclic largest = layout;
  largest.position = {0, 0};
  if (largest.local_size() > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
    throw std::runtime_error(
        fmt::format("a {} x {} matrix on a {} x {} grid needs {} elements on a rank; ScaLAPACK indexes at most {}: use "
                    "more ranks",
                    layout.rows, layout.columns, layout.grid.rows, layout.grid.columns, largest.local_size(),
                    std::numeric_limits<int>::max()));
  }
  return layout;
}

Descriptor make_descriptor(const BlockCyclic& layout, int context) {
  Descriptor out;
  const int leading = layout.leading_dimension();
  int info = 0;
  descinit_(out.data(), &layout.rows, &layout.columns, &layout.block, &layout.block, &kFirst, &kFirst, &context,
            &leading, &info);
  if (info != 0) throw std::logic_error(fmt::format("ScaLAPACK descinit failed with INFO = {}", info));
  return out;
}

}  // namespace

int BlockCyclic::local_rows() const { return numroc_(&rows, &block, &position.row, &kFirst, &grid.rows); }

int BlockCyclic::local_columns() const { return numroc_(&columns, &block, &position.column, &kFirst, &grid.columns); }

int BlockCyclic::leading_dimension() const { return std::max(1, local_rows()); }

std::uint64_t BlockCyclic::local_size() const {
  return static_cast<std::uint64_t>(leading_dimension()) * static_cast<std::uint64_t>(local_columns());
}

std::vector<int> BlockCyclic::global_rows() const {
  return global_indices(local_rows(), block, position.row, grid.rows);
}

std::vector<int> BlockCyclic::global_columns() const {
  return global_indices(local_columns(), block, position.column, grid.columns);
}

DistributedMatrix::DistributedMatrix(const ProcessGrid& grid, int rows, int columns, int block)
    : grid_(&grid),
      layout_(checked({rows, columns, block, grid.shape(), grid.position()})),
      descriptor_(make_descriptor(layout_, grid.context())),
      storage_(std::max<std::uint64_t>(1, layout_.local_size())) {}

LocalPart DistributedMatrix::local() {
  return {storage_.data(), layout_.local_rows(), layout_.local_columns(),
          Eigen::OuterStride<>(layout_.leading_dimension())};
}

ConstLocalPart DistributedMatrix::local() const {
  return {storage_.data(), layout_.local_rows(), layout_.local_columns(),
          Eigen::OuterStride<>(layout_.leading_dimension())};
}

}  // namespace logitfield::scalapack

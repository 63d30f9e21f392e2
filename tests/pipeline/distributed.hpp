#pragma once
#include <span>
#include <string>
#include <vector>

#include "pipeline/scalapack/block_cyclic.hpp"

namespace logitfield::testing {

/// All shapes of a grid of so many ranks.
inline std::vector<scalapack::ProcessGridShape> all_shapes(int ranks) {
  std::vector<scalapack::ProcessGridShape> out;
  for (int rows = 1; rows <= ranks; ++rows) {
    if (ranks % rows == 0) out.push_back({rows, ranks / rows});
  }
  return out;
}

inline scalapack::DistributedMatrix distribute(const scalapack::ProcessGrid& grid, const kernels::Matrix& whole,
                                               int block) {
  scalapack::DistributedMatrix out(grid, static_cast<int>(whole.rows()), static_cast<int>(whole.cols()), block);
  out.local() = whole(out.layout().global_rows(), out.layout().global_columns());
  return out;
}

/// Collects the whole matrix on every rank.
inline kernels::Matrix collect(const scalapack::DistributedMatrix& part) {
  kernels::Matrix out = kernels::Matrix::Zero(part.layout().rows, part.layout().columns);
  out(part.layout().global_rows(), part.layout().global_columns()) = part.local();
  part.grid().team().sum(std::span(out.data(), static_cast<std::size_t>(out.size())));
  return out;
}

/// True if every rank holds rank 0's bits.
inline bool same_everywhere(const mpi::Communicator& team, const void* data, std::size_t bytes) {
  const std::string mine(static_cast<const char*>(data), bytes);
  return team.min(team.broadcast(mine, 0) == mine ? 1 : 0) == 1;
}

}  // namespace logitfield::testing

#pragma once
#include "pipeline/mpi/communicator.hpp"

namespace logitfield::scalapack {

/// Numbers of rows and columns of ranks.
struct ProcessGridShape {
  int rows = 1, columns = 1;
};

/// A process's place in the grid, from 0.
struct GridPosition {
  int row = 0, column = 0;
};

/// The grid of all ranks that is closest to square, with no more rows than columns: 2 -> 1 x 2, 6 -> 2 x 3, 7 -> 1 x 7.
/// Throws std::invalid_argument if ranks < 1.
ProcessGridShape near_square(int ranks);

/// The ranks of a team as a BLACS grid, row by row. Move-only; must be destroyed before MPI ends.
class ProcessGrid {
 public:
  /// Collective. Throws std::invalid_argument unless rows * columns is the size of the team; BLACS itself would abort.
  ProcessGrid(const mpi::Communicator& team, ProcessGridShape shape);
  ProcessGrid(ProcessGrid&& other) noexcept;
  ProcessGrid& operator=(ProcessGrid&& other) noexcept;
  ~ProcessGrid();

  /// The grid's own communicator, in the order of the team's ranks.
  const mpi::Communicator& team() const { return team_; }
  ProcessGridShape shape() const { return shape_; }
  GridPosition position() const { return position_; }
  int context() const { return context_; }

 private:
  mpi::Communicator team_;
  ProcessGridShape shape_;
  GridPosition position_;
  int system_handle_ = -1, context_ = -1;
};

}  // namespace logitfield::scalapack

#include "pipeline/scalapack/process_grid.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "pipeline/scalapack/declarations.hpp"

namespace logitfield::scalapack {
namespace {

void check_shape(ProcessGridShape shape, int ranks) {
  if (shape.rows < 1 || shape.columns < 1 || shape.rows > ranks || shape.columns != ranks / shape.rows ||
      ranks % shape.rows != 0) {
    throw std::invalid_argument(
        fmt::format("a process grid of {} x {} does not fit {} ranks", shape.rows, shape.columns, ranks));
  }
}

}  // namespace

ProcessGridShape near_square(int ranks) {
  if (ranks < 1) throw std::invalid_argument(fmt::format("cannot form a process grid of {} ranks", ranks));
  ProcessGridShape shape{1, ranks};
  for (int rows = 2; rows <= ranks / rows; ++rows) {
    if (ranks % rows == 0) shape = {rows, ranks / rows};
  }
  return shape;
}

ProcessGrid::ProcessGrid(const mpi::Communicator& team, ProcessGridShape shape) : team_(team.split(0)), shape_(shape) {
  check_shape(shape, team_.size());
  system_handle_ = Csys2blacs_handle(team_.handle());
  context_ = system_handle_;
  Cblacs_gridinit(&context_, "Row", shape.rows, shape.columns);
  ProcessGridShape seen;
  Cblacs_gridinfo(context_, &seen.rows, &seen.columns, &position_.row, &position_.column);
  if (position_.row * shape.columns + position_.column != team_.rank()) {
    throw std::logic_error(fmt::format("BLACS puts rank {} at ({}, {}) of a {} x {} grid", team_.rank(), position_.row,
                                       position_.column, seen.rows, seen.columns));
  }
}

ProcessGrid::ProcessGrid(ProcessGrid&& other) noexcept
    : team_(std::move(other.team_)),
      shape_(other.shape_),
      position_(other.position_),
      system_handle_(std::exchange(other.system_handle_, -1)),
      context_(std::exchange(other.context_, -1)) {}

ProcessGrid& ProcessGrid::operator=(ProcessGrid&& other) noexcept {
  std::swap(team_, other.team_);
  std::swap(shape_, other.shape_);
  std::swap(position_, other.position_);
  std::swap(system_handle_, other.system_handle_);
  std::swap(context_, other.context_);
  return *this;
}

ProcessGrid::~ProcessGrid() {
  if (context_ < 0) return;
  Cblacs_gridexit(context_);
  // Never call Cblacs_exit(0): it would finalise MPI.
  Cfree_blacs_system_handle(system_handle_);
}

}  // namespace logitfield::scalapack

#pragma once
#include <span>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// The ranks that share one head. Each holds consecutive rows of its Q and K, in rank order. The kernels are written
/// once, for a team; a rank that holds a whole head is a team of one. All calls are collective, and every rank gets the
/// same bits, so that all ranks take the same decisions.
class Team {
 public:
  virtual ~Team() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Replace the values by their sum, or by their maximum (NaN if one is NaN), over all ranks.
  virtual void sum(std::span<double> values) const = 0;
  virtual void max(std::span<double> values) const = 0;
  /// Replace the values by their sum over the ranks before (after) this one; zero on the first (last).
  virtual void sum_before(std::span<double> values) const = 0;
  virtual void sum_after(std::span<double> values) const = 0;
  /// Replaces the values by those of the previous rank; zero on the first.
  virtual void take_from_before(std::span<double> values) const = 0;
  /// Stacks all ranks' matrices, which have one shape, below each other.
  virtual Matrix stack(const Matrix& part) const = 0;
};

/// Returns the team of one rank.
const Team& alone();

/// Apply these operations to one number or a matrix.
double sum_over(const Team& team, double value);
double max_over(const Team& team, double value);
void sum_over(const Team& team, Matrix& values);

}  // namespace logitfield::kernels

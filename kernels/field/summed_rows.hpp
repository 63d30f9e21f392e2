#pragma once
#include "kernels/spectra/blas.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// Sums over rows x_r with weights v_r. They give sum_r (y . x_r - u v_r)^2 for any y and u: the energy of a key (or
/// query) y over all the queries (keys) that were summed.
class SummedRows {
 public:
  explicit SummedRows(Index width = 0) : packed_(width + 1, width) { packed_.setZero(); }

  void add(const Matrix& rows, const Vector& weights) {
    add_gram(rows, packed_);
    packed_.bottomRows(1).noalias() += weights.transpose() * rows;
    squares_ += weights.squaredNorm();
  }
  SummedRows& operator+=(const SummedRows& other) {
    packed_ += other.packed_;
    squares_ += other.squares_;
    return *this;
  }
  /// y_r . (weighted sum of x) for each row.
  Vector along(const Matrix& y) const { return y * packed_.bottomRows(1).transpose(); }
  Vector energies(const Matrix& y, const Vector& u, const Vector& along_y, Matrix& work) const {
    return quadratic_forms(y, packed_, work).array() + u.array() * (squares_ * u.array() - 2 * along_y.array());
  }
  /// Replaces the sums by those over the ranks before, or after.
  void take_before(const Team& team) {
    exchange([&](std::span<double> v) { team.sum_before(v); });
  }
  void take_after(const Team& team) {
    exchange([&](std::span<double> v) { team.sum_after(v); });
  }

 private:
  template <class Sum>
  void exchange(Sum&& sum) {
    sum(as_span(packed_));
    sum({&squares_, 1});
  }

  /// Upper triangle of sum x x^T [w, w]; below it, sum v x.
  Matrix packed_;
  double squares_ = 0;
};

}  // namespace logitfield::kernels

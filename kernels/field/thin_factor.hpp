#pragma once
#include <optional>

#include "kernels/field/factor_rows.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// a = basis * r for a tall a [L, w] whose rows a team shares: k = min(L, w) orthonormal columns in `basis`, r [k, w]
/// upper triangular. Every rank has the same r.
class ThinFactor {
 public:
  /// A factor whose basis is held in memory.
  struct Kept {
    Matrix basis, r;
  };

  const Matrix& r() const { return r_; }
  /// True if a surely has full numerical rank: all its singular values are above max(L, w) eps sigma_1.
  bool full_rank() const { return full_rank_; }

  /// Rows of the basis [count, k] that belong to the rows `a_rows` = a.tile(begin, count).
  Matrix basis_rows(Index begin, const Matrix& a_rows) const;
  /// basis^T x [k, p] for this rank's rows x [n, p], summed over the team. a^T x, likewise summed, must be known.
  Matrix project(const Team& team, const Matrix& x, const Matrix& a_transpose_x) const;
  /// Rows of basis * y for the rows `a_rows` = a.tile(begin, count), from coefficients(y), which need to be made only
  /// once.
  Matrix times(Index begin, const Matrix& a_rows, const Matrix& coefficients) const;
  Matrix coefficients(const Matrix& y) const;

 private:
  friend ThinFactor thin_factor(const Team&, const FactorRows&, const Matrix&, Index);
  void keep(Kept factor);

  Matrix r_;
  /// If the basis is a * r^-1 to rounding, that inverse; else the basis is kept (this rank's rows).
  bool kept_ = false;
  Matrix inverse_, basis_;
  bool full_rank_ = false;
};

/// Cholesky-QR of a with a^T a = gram. It is repeated if one pass loses more than rounding (judged by the condition
/// number), until the measured basis is orthonormal. Where Cholesky fails (L <= w, rank-deficient or ill-conditioned
/// columns): Householder QR of each rank's rows and of their stacked triangles (TSQR). Collective. `length` is L.
/// Sources: Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015 (CholeskyQR2); Demmel, Grigori, Hoemmen, Langou 2012 (TSQR).
ThinFactor thin_factor(const Team& team, const FactorRows& a, const Matrix& gram, Index length);

/// Upper triangular r with r^T r = gram; nothing if gram is not positive definite.
std::optional<Matrix> cholesky(const Matrix& gram);
/// Whether all singular values of r [w, w] are above max(length, w) eps sigma_1. A successful Cholesky does not show
/// that, because it is blind to the scale of columns.
bool has_full_rank(const Matrix& r, Index length);
/// Whether a factor a r^-1 found in one pass is orthonormal up to unavoidable rounding, by the condition number of r
/// [width, width].
bool one_pass_is_enough(double condition, Index width);
/// Whether a condition number alone shows full rank.
bool surely_full_rank(double condition);
/// Verdict on a factor after one pass, by the distance of its Gram matrix [width, width] from the identity (Frobenius
/// norm): done, a second pass, or another method.
enum class SecondPass { not_needed, needed, hopeless };
SecondPass second_pass_for(double deviation, Index width);

}  // namespace logitfield::kernels

#include "kernels/field/thin_factor.hpp"

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <optional>

#include "kernels/spectra/blas.hpp"
#include "kernels/spectra/lapack.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

using Kept = ThinFactor::Kept;

/// Above this deviation, a pass has lost too much for the next one to repair it reliably.
constexpr double kRepairable = 0.1;

Matrix gram_of_kept(const Team& team, const Matrix& basis) {
  Matrix out = Matrix::Zero(basis.cols(), basis.cols());
  for_tiles(basis.rows(), kTileRows, [&](Index begin, Index count) { add_gram(basis.middleRows(begin, count), out); });
  complete(out);
  sum_over(team, out);
  return out;
}

/// Makes the second pass, on a basis that is orthonormal to some digits. Returns nothing if it cannot be repaired.
std::optional<Kept> second_pass(const Team& team, Kept factor) {
  const Matrix gram = gram_of_kept(team, factor.basis);
  const double deviation = (gram - Matrix::Identity(gram.rows(), gram.cols())).norm();
  const SecondPass pass = second_pass_for(deviation, gram.cols());
  if (pass == SecondPass::not_needed) return factor;
  if (pass == SecondPass::hopeless) return std::nullopt;
  const std::optional<Matrix> r = cholesky(gram);
  if (!r) return std::nullopt;
  divide_by(*r, factor.basis);
  factor.r = (r->triangularView<Eigen::Upper>() * factor.r).eval();
  return factor;
}

/// Householder QR with k = min(rows, columns) columns in the basis.
Kept householder_qr(const Matrix& a) {
  const Index k = std::min(a.rows(), a.cols());
  if (k == 0) return {Matrix(0, 0), Matrix(0, a.cols())};  // a rank without rows
  const Eigen::HouseholderQR<Matrix> qr(a);
  return {qr.householderQ() * Matrix::Identity(a.rows(), k),
          qr.matrixQR().topRows(k).template triangularView<Eigen::Upper>()};
}

/// All ranks' rows, at most w of each, stacked in rank order; and the start of this rank's.
struct AllRows {
  Matrix rows;
  Index own_begin = 0;
};

AllRows collect(const Team& team, const Matrix& rows) {
  const Index w = rows.cols();
  Matrix padded = Matrix::Zero(w, w);
  padded.topRows(rows.rows()) = rows;
  const Matrix stacked = team.stack(padded);
  const Matrix counts = team.stack(Matrix::Constant(1, 1, static_cast<double>(rows.rows())));
  AllRows out{Matrix(static_cast<Index>(counts.sum()), w), static_cast<Index>(counts.topRows(team.rank()).sum())};
  for (Index r = 0, begin = 0; r < team.size(); ++r) {
    const auto count = static_cast<Index>(counts(r, 0));
    out.rows.middleRows(begin, count) = stacked.middleRows(r * w, count);
    begin += count;
  }
  return out;
}

/// Householder QR of each rank's rows, then of their triangles. With no more tokens than columns, the triangles are as
/// large as the rows themselves, which are few: then all ranks take all rows.
Kept tall_skinny_qr(const Team& team, const Matrix& rows, Index length) {
  if (team.size() == 1) return householder_qr(rows);
  if (length <= rows.cols()) {
    const AllRows all = collect(team, rows);
    Kept factor = householder_qr(all.rows);
    return {factor.basis.middleRows(all.own_begin, rows.rows()), std::move(factor.r)};
  }
  Kept own = householder_qr(rows);
  const AllRows triangles = collect(team, own.r);
  Kept all = householder_qr(triangles.rows);
  return {own.basis * all.basis.middleRows(triangles.own_begin, own.r.rows()), std::move(all.r)};
}

}  // namespace

std::optional<Matrix> cholesky(const Matrix& gram) {
  const Eigen::LLT<Matrix> factor(gram);
  if (factor.info() != Eigen::Success) return std::nullopt;
  return Matrix(factor.matrixU());
}

// One pass errs by about eps condition^2.
bool one_pass_is_enough(double condition, Index width) {
  return condition * condition <= 4 * static_cast<double>(width);
}

bool surely_full_rank(double condition) {
  constexpr double kFarFromSingular = 1e8;
  return condition < kFarFromSingular;
}

bool has_full_rank(const Matrix& r, Index length) {
  if (surely_full_rank(condition(r))) return true;
  const std::vector<double> sigma = singular_values(r);
  return sigma.back() > static_cast<double>(std::max(length, r.cols())) * kEpsilon * sigma.front();
}

SecondPass second_pass_for(double deviation, Index width) {
  if (deviation <= 32 * static_cast<double>(width) * kEpsilon) return SecondPass::not_needed;
  return deviation <= kRepairable ? SecondPass::needed : SecondPass::hopeless;  // including NaN
}

ThinFactor thin_factor(const Team& team, const FactorRows& a, const Matrix& gram, Index length) {
  ThinFactor out;
  if (length > a.width()) {
    if (std::optional<Matrix> r = cholesky(gram)) {
      if (one_pass_is_enough(condition(*r), r->cols())) {
        out.inverse_ = Matrix::Identity(r->rows(), r->cols());
        solve(*r, out.inverse_);
        out.r_ = std::move(*r);
        out.full_rank_ = true;
        return out;
      }
      Kept first{a.all(), std::move(*r)};
      divide_by(first.r, first.basis);
      if (auto factor = second_pass(team, std::move(first))) {
        out.keep(std::move(*factor));
        out.full_rank_ = has_full_rank(out.r_, length);
        return out;
      }
    }
  }
  out.keep(tall_skinny_qr(team, a.all(), length));
  return out;
}

void ThinFactor::keep(Kept factor) {
  r_ = std::move(factor.r);
  basis_ = std::move(factor.basis);
  kept_ = true;
}

Matrix ThinFactor::basis_rows(Index begin, const Matrix& a_rows) const {
  if (kept_) return basis_.middleRows(begin, a_rows.rows());
  Matrix out = a_rows;
  multiply_by(inverse_, out);
  return out;
}

Matrix ThinFactor::project(const Team& team, const Matrix& x, const Matrix& a_transpose_x) const {
  if (!kept_) return inverse_.transpose() * a_transpose_x;
  Matrix out = Matrix::Zero(r_.rows(), x.cols());
  if (x.rows() > 0) out = basis_.transpose() * x;
  sum_over(team, out);
  return out;
}

Matrix ThinFactor::coefficients(const Matrix& y) const { return kept_ ? y : Matrix(inverse_ * y); }

Matrix ThinFactor::times(Index begin, const Matrix& a_rows, const Matrix& coefficients) const {
  if (kept_) return basis_.middleRows(begin, a_rows.rows()) * coefficients;
  return a_rows * coefficients;
}

}  // namespace logitfield::kernels

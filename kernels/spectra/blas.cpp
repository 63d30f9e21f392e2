#include "kernels/spectra/blas.hpp"

#include <cblas.h>

namespace logitfield::kernels {
namespace {

int size(Index n) { return static_cast<int>(n); }

/// rows <- factor * rows * op(r), r upper triangular.
void triangular_product(CBLAS_TRANSPOSE transpose, double factor, const Matrix& r, Matrix& rows) {
  cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, transpose, CblasNonUnit, size(rows.rows()), size(rows.cols()),
              factor, r.data(), size(r.cols()), rows.data(), size(rows.cols()));
}

void triangular_solve(CBLAS_SIDE side, const Matrix& r, Matrix& x) {
  cblas_dtrsm(CblasRowMajor, side, CblasUpper, CblasNoTrans, CblasNonUnit, size(x.rows()), size(x.cols()), 1.0,
              r.data(), size(r.cols()), x.data(), size(x.cols()));
}

}  // namespace

void add_gram(const Matrix& a, Matrix& gram) {
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, size(a.cols()), size(a.rows()), 1.0, a.data(), size(a.cols()), 1.0,
              gram.data(), size(gram.cols()));
}

void complete(Matrix& gram) { gram.triangularView<Eigen::StrictlyLower>() = gram.transpose(); }

Vector quadratic_forms(const Matrix& rows, const Matrix& gram, Matrix& work) {
  // x^T G x = 2 x^T U x - sum_c G_cc x_c^2, U the upper triangle with the diagonal.
  work = rows;
  triangular_product(CblasNoTrans, 2, gram, work);
  Vector out(rows.rows());
  const Eigen::RowVectorXd diagonal = gram.diagonal();
  for (Index r = 0; r < rows.rows(); ++r) {
    out[r] = (rows.row(r).array() * (work.row(r).array() - rows.row(r).array() * diagonal.array())).sum();
  }
  return out;
}

void multiply_by(const Matrix& r, Matrix& rows) { triangular_product(CblasNoTrans, 1, r, rows); }
void multiply_by_transpose(const Matrix& r, Matrix& rows) { triangular_product(CblasTrans, 1, r, rows); }
void divide_by(const Matrix& r, Matrix& rows) { triangular_solve(CblasRight, r, rows); }
void solve(const Matrix& r, Matrix& x) { triangular_solve(CblasLeft, r, x); }

}  // namespace logitfield::kernels

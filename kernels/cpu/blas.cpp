#include "kernels/cpu/blas.hpp"

#include <cblas.h>

namespace logitfield::kernels::cpu {
namespace {

int size(Index n) { return static_cast<int>(n); }

void triangular_solve(CBLAS_SIDE side, CBLAS_TRANSPOSE transpose, const Matrix& r, Matrix& x) {
  cblas_dtrsm(CblasRowMajor, side, CblasUpper, transpose, CblasNonUnit, size(x.rows()), size(x.cols()), 1.0, r.data(),
              size(r.cols()), x.data(), size(x.cols()));
}

}  // namespace

void add_gram(const Matrix& a, Matrix& gram) {
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, size(a.cols()), size(a.rows()), 1.0, a.data(), size(a.cols()), 1.0,
              gram.data(), size(gram.cols()));
}

void complete(Matrix& gram) { gram.triangularView<Eigen::StrictlyLower>() = gram.transpose(); }

void multiply_by_transpose(const Matrix& r, Matrix& rows) {
  cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, size(rows.rows()), size(rows.cols()), 1.0,
              r.data(), size(r.cols()), rows.data(), size(rows.cols()));
}

void divide_by(const Matrix& r, Matrix& rows) { triangular_solve(CblasRight, CblasNoTrans, r, rows); }
void solve(const Matrix& r, Matrix& x) { triangular_solve(CblasLeft, CblasNoTrans, r, x); }
void solve_transpose(const Matrix& r, Matrix& x) { triangular_solve(CblasLeft, CblasTrans, r, x); }

}  // namespace logitfield::kernels::cpu

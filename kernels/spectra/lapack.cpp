#include "kernels/spectra/lapack.hpp"

#include <fmt/format.h>
#include <lapacke.h>

#include <span>
#include <stdexcept>
#include <utility>

namespace logitfield::kernels {
namespace {

void check(lapack_int info, const char* routine, const Matrix& a) {
  // dgesdd returns -4 if the matrix holds a NaN.
  if (info != 0) {
    throw std::runtime_error(fmt::format("LAPACK {} of a {} x {} matrix failed with INFO = {}{}", routine, a.rows(),
                                         a.cols(), info, a.allFinite() ? "" : " (the matrix is not finite)"));
  }
}

lapack_int as_lapack(Index n) { return static_cast<lapack_int>(n); }

/// Replaces the diagonal by the singular values; x <- P^T x, with b = Q diag(sigma) P^T, if x is not empty.
void decompose(Bidiagonal& b, std::span<double> x) {
  const lapack_int n = as_lapack(std::ssize(b.diagonal));
  const lapack_int info = LAPACKE_dbdsqr(LAPACK_COL_MAJOR, 'U', n, x.empty() ? 0 : 1, 0, 0, b.diagonal.data(),
                                         b.above.data(), x.data(), n, nullptr, 1, nullptr, 1);
  if (info != 0) throw std::runtime_error(fmt::format("LAPACK dbdsqr of size {} failed with INFO = {}", n, info));
}

}  // namespace

// A row-major matrix is its own transpose in LAPACK's column-major order. The left vectors of one are the right vectors
// of the other, so nothing is copied to transpose.
Svd svd(const Matrix& a) {
  const Index k = std::min(a.rows(), a.cols());
  Svd out{std::vector<double>(k), Matrix(a.rows(), k), Matrix(k, a.cols())};
  Matrix work = a;
  check(
      LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', as_lapack(a.cols()), as_lapack(a.rows()), work.data(), as_lapack(a.cols()),
                     out.sigma.data(), out.vt.data(), as_lapack(a.cols()), out.u.data(), as_lapack(k)),
      "dgesdd", a);
  return out;
}

std::vector<double> singular_values(Matrix a) {
  std::vector<double> sigma(std::min(a.rows(), a.cols()));
  check(LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', as_lapack(a.cols()), as_lapack(a.rows()), a.data(), as_lapack(a.cols()),
                       sigma.data(), nullptr, 1, nullptr, 1),
        "dgesdd", a);
  return sigma;
}

std::vector<double> singular_values(Bidiagonal b) {
  decompose(b, {});
  return std::move(b.diagonal);
}

QuadratureNodes quadrature_nodes(Bidiagonal b) {
  std::vector<double> first(b.diagonal.size(), 0.0);
  first[0] = 1;
  decompose(b, first);
  return {std::move(b.diagonal), std::move(first)};
}

SymmetricEigen symmetric_eigen(const Matrix& a) {
  const Index n = a.rows();
  Matrix columns = a;  // LAPACK returns the vectors in its columns: our rows
  SymmetricEigen out{Vector(n), {}};
  check(LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', as_lapack(n), columns.data(), as_lapack(n), out.values.data()),
        "dsyevd", a);
  out.vectors = columns.transpose();
  return out;
}

double condition(const Matrix& upper) {
  double reciprocal = 0;
  const Index n = upper.rows();
  check(LAPACKE_dtrcon(LAPACK_COL_MAJOR, '1', 'L', 'N', as_lapack(n), upper.data(), as_lapack(n), &reciprocal),
        "dtrcon", upper);
  return 1 / reciprocal;
}

}  // namespace logitfield::kernels

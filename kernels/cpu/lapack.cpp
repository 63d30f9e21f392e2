#include "kernels/cpu/lapack.hpp"

#include <fmt/format.h>
#include <lapacke.h>

#include <stdexcept>

namespace logitfield::kernels::cpu {
namespace {

void check(lapack_int info, const Matrix& a) {
  // dgesdd answers -4 where the matrix holds a NaN.
  if (info != 0) {
    throw std::runtime_error(fmt::format("LAPACK dgesdd of a {} x {} matrix failed with INFO = {}{}", a.rows(),
                                         a.cols(), info, a.allFinite() ? "" : " (the matrix is not finite)"));
  }
}

lapack_int size(Index n) { return static_cast<lapack_int>(n); }

}  // namespace

// A row-major matrix is its own transpose in LAPACK's column-major order: the left vectors of one are the right vectors
// of the other, so nothing is copied to transpose.
Svd svd(const Matrix& a) {
  const Index k = std::min(a.rows(), a.cols());
  Svd out{std::vector<double>(k), Matrix(a.rows(), k), Matrix(k, a.cols())};
  Matrix work = a;
  check(LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', size(a.cols()), size(a.rows()), work.data(), size(a.cols()),
                       out.sigma.data(), out.vt.data(), size(a.cols()), out.u.data(), size(k)),
        a);
  return out;
}

std::vector<double> singular_values(const Matrix& a) {
  std::vector<double> sigma(std::min(a.rows(), a.cols()));
  Matrix work = a;
  check(LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', size(a.cols()), size(a.rows()), work.data(), size(a.cols()), sigma.data(),
                       nullptr, 1, nullptr, 1),
        a);
  return sigma;
}

}  // namespace logitfield::kernels::cpu

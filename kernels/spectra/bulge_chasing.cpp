#include "kernels/spectra/bulge_chasing.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace logitfield::kernels {
namespace {

/// Columns reflected at a time: their sums stay in registers.
constexpr int kColumns = 16;

template <int kWidth>
using Reflected = Eigen::Array<double, kWidth, 1>;

/// I - tau v v^T with v[0] = 1, which takes x to (beta, 0, ..., 0).
template <int kWidth>
struct Reflector {
  Reflected<kWidth> v;
  double tau, beta;

  template <class X>
  explicit Reflector(const X& x) : v(x), tau(0), beta(x[0]) {
    const double rest = v.template tail<kWidth - 1>().square().sum();
    if (rest == 0) return;
    beta = -std::copysign(std::sqrt(x[0] * x[0] + rest), x[0]);
    tau = (beta - x[0]) / beta;
    v /= x[0] - beta;
    v[0] = 1;
  }
};

/// A band and the bulge that is chased along it. A row holds the elements from kWidth - 1 before the diagonal to 2
/// kWidth - 1 after it. Rows and columns beyond the n-th are zero, so that every block is whole.
template <int kWidth>
class Bulges {
 public:
  explicit Bulges(const Band& band) : n_(band.rows()), values_(Vector::Zero((n_ + 3 * kWidth) * (kStride + 1))) {
    for (Index i = 0; i < n_; ++i) Eigen::Map<Eigen::RowVectorXd>(at(i, i), kWidth + 1) = band.row(i);
  }

  Bidiagonal chase() {
    for (Index row = 0; row + 1 < n_; ++row) {
      for (Index above = row, first = row + 1; first < n_; above = first, first += kWidth) {
        shorten_row(above, first);
        shorten_column(first);
      }
    }
    Bidiagonal out;
    for (Index i = 0; i < n_; ++i) out.diagonal.push_back(*at(i, i));
    for (Index i = 0; i + 1 < n_; ++i) out.above.push_back(*at(i, i + 1));
    return out;
  }

 private:
  /// From an element to the one below it.
  static constexpr Index kStride = 3 * kWidth - 1;
  using Row = Eigen::Map<Reflected<kWidth>>;
  using Column = Eigen::Map<Reflected<kWidth>, 0, Eigen::InnerStride<kStride>>;

  double* at(Index i, Index j) { return values_.data() + i * kStride + j + kWidth; }

  /// Reduces row `row`, from column `first` on, to that one element; the rows below are updated.
  void shorten_row(Index row, Index first) {
    Row x(at(row, first));
    const Reflector<kWidth> r(x);
    if (r.tau == 0) return;
    x.setZero();
    x[0] = r.beta;
    for (Index i = row + 1; i < first + kWidth; ++i) {
      Row y(at(i, first));
      y -= (r.tau * (r.v * y).sum()) * r.v;
    }
  }

  /// Reduces column `first`, from the diagonal on, to that one element; the columns after it are updated.
  void shorten_column(Index first) {
    Column x(at(first, first));
    const Reflector<kWidth> r(x);
    if (r.tau == 0) return;
    for (Index j = first; j < first + 2 * kWidth; j += kColumns) reflect_columns(r, at(first, j));
    x.setZero();
    x[0] = r.beta;
  }

  static void reflect_columns(const Reflector<kWidth>& r, double* top) {
    using Piece = Eigen::Array<double, kColumns, 1>;
    Piece sum = Piece::Zero();
    for (int i = 0; i < kWidth; ++i) sum += r.v[i] * Eigen::Map<const Piece>(top + i * kStride);
    sum *= r.tau;
    for (int i = 0; i < kWidth; ++i) Eigen::Map<Piece>(top + i * kStride) -= r.v[i] * sum;
  }

  Index n_;
  Vector values_;
};

}  // namespace

Bidiagonal bidiagonalise(const Band& band) {
  switch (band.cols() - 1) {
    case kBandWidths[0]:
      return Bulges<kBandWidths[0]>(band).chase();
    case kBandWidths[1]:
      return Bulges<kBandWidths[1]>(band).chase();
    case kBandWidths[2]:
      return Bulges<kBandWidths[2]>(band).chase();
    default:
      throw std::invalid_argument(fmt::format("bands of {} superdiagonals are not supported", band.cols() - 1));
  }
}

}  // namespace logitfield::kernels

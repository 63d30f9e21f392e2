#include "kernels/spectra/coupled_halves.hpp"

#include <cmath>

#include "kernels/random.hpp"
#include "kernels/spectra/reflectors.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

constexpr std::uint64_t kSketchSeed = 0x68616c766573;

/// b = coordinates * the first rows of Q^T.
struct RowSpace {
  Reflectors q;
  Columns coordinates;
};

/// Finds at most `dimensions` dimensions that the rows of b span, by random combinations of the rows (Halko, Martinsson
/// & Tropp 2011). Returns nothing if the rest of b, compared with `largest`, shows that it has more.
std::optional<RowSpace> row_space(const MatrixRef& b, Index dimensions, double largest) {
  Columns sketch = b.transpose() * gaussian_rows(kSketchSeed, 0, b.rows(), dimensions);
  RowSpace out{triangulate(sketch), {}};
  const Columns basis = out.q.first_columns();
  out.coordinates.noalias() = b * basis;
  const double rounding = std::sqrt(static_cast<double>(b.rows())) * kEpsilon;
  double beyond = 0;  // squared, by tiles: no memory is planned for a second b
  for_tiles(b.rows(), kTileRows, [&](Index begin, Index count) {
    beyond += (b.middleRows(begin, count) - out.coordinates.middleRows(begin, count) * basis.transpose()).squaredNorm();
  });
  if (!(std::sqrt(beyond) <= rounding * largest)) return std::nullopt;
  return out;
}

}  // namespace

// Q transforms A's columns so that B meets only the first of them: B Q = [X 0]. P transforms C's rows so that only the
// first of them are met: P^T X = [G; 0]. Both halves are then reduced without touching those (C transposed):
//   A Q = U1 R1 V1^T,  C^T P = U2 R2 V2^T,  R1 and R2 upper bands.
// With the first half in reverse order the whole is a lower band, with G at the seam. X is factorised with its columns
// in reverse order, so that G is triangular where it has to stay within the band.
std::optional<Band> reduce_halves(Matrix& a, Index width) {
  const Index n = a.rows(), upper = n / 2, lower = n - upper;
  auto first = a.topLeftCorner(upper, upper), second = a.bottomRightCorner(lower, lower);
  if (!(a.topRightCorner(upper, lower).array() == 0).all()) return std::nullopt;
  std::optional<RowSpace> coupling = row_space(a.bottomLeftCorner(lower, upper), width, a.norm());
  if (!coupling) return std::nullopt;

  Columns seam = coupling->coordinates.rowwise().reverse();
  const Reflectors p = triangulate(seam);
  coupling->q.apply_on_right(first);
  second.transposeInPlace();
  p.apply_on_right(second);
  const Band r1 = reduce_to_band(first, width), r2 = reduce_to_band(second, width);

  // The lower band, transposed.
  Band out = Band::Zero(n, width + 1);
  for (Index i = 0; i < upper; ++i) {
    for (Index k = 0; k <= std::min(width, upper - 1 - i); ++k) out(upper - 1 - i - k, k) = r1(i, k);
  }
  out.bottomRows(lower) = r2;
  for (Index i = 0; i < width; ++i) {
    for (Index j = i; j < width; ++j) out(upper - width + j, width - j + i) = seam(i, j);
  }
  return out;
}

}  // namespace logitfield::kernels

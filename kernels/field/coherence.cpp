#include "kernels/field/coherence.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <limits>

#include "kernels/field/spectrum.hpp"
#include "kernels/spectra/lapack.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// Orthonormal columns that span the column space of a small matrix, by numerical rank.
Matrix column_basis(const Matrix& a, Index length) {
  const Svd core = svd(a);
  const double threshold = static_cast<double>(std::max(length, a.cols())) * kEpsilon * core.sigma[0];
  return core.u.leftCols(std::ranges::count_if(core.sigma, [&](double s) { return s > threshold; }));
}

double coherence(double length, std::int64_t rank, double largest) {
  return rank > 0 ? length / static_cast<double>(rank) * largest : std::numeric_limits<double>::quiet_NaN();
}

/// Keys = [basis, 1 / sqrt L] * stacked. So the leverages of the keys follow from those of the small matrix `stacked`.
Matrix stacked_triangle(const Matrix& r, const Eigen::RowVectorXd& mean, double length) {
  Matrix out(r.rows() + 1, r.cols());
  out << r, std::sqrt(length) * mean;
  return out;
}

/// Calls visit(begin, rows of the orthonormal basis) for all of this rank's rows.
template <class Visit>
void for_basis(const TallFactor& factor, Visit&& visit) {
  Matrix rows;
  for_tiles(factor.rows.rows(), kTileRows, [&](Index begin, Index count) {
    factor.rows.tile(begin, count, rows);
    visit(begin, factor.factor.basis_rows(begin, rows));
  });
}

/// Leverages of the centred keys, and the largest one of the uncentred keys, over this rank's rows.
struct Pass {
  Leverage centred;
  double largest_raw = 0;
  std::int64_t raw_rank = 0;
};

Vector missing_of(const Matrix& stacked) {
  const Index w = stacked.cols();
  return Eigen::HouseholderQR<Matrix>(stacked).householderQ() * Vector::Unit(w + 1, w);
}

/// With full rank, only one direction of [basis, 1 / sqrt L] is missing from the column space of the uncentred keys.
Pass full_rank_pass(const TallFactor& keys, const Matrix& stacked, double length) {
  const Index w = stacked.cols();
  const Vector missing = missing_of(stacked);
  const double constant = 1 / std::sqrt(length);
  Pass out{{Vector(keys.rows.rows()), w}, 0, w};
  for_basis(keys, [&](Index begin, const Matrix& basis) {
    auto leverages = out.centred.values.segment(begin, basis.rows());
    leverages = basis.rowwise().squaredNorm();
    const Vector along = (basis * missing.head(w)).array() + constant * missing[w];
    const double most = (leverages.array() + constant * constant - along.array().square()).maxCoeff();
    out.largest_raw = std::max(out.largest_raw, most);
  });
  return out;
}

Pass any_rank_pass(const TallFactor& keys, const Matrix& stacked, Index length) {
  const Matrix raw_basis = column_basis(stacked, length);
  const Eigen::RowVectorXd constant = raw_basis.bottomRows(1) / std::sqrt(static_cast<double>(length));
  Pass out{leverage(keys, {0, length}), 0, raw_basis.cols()};
  for_basis(keys, [&](Index, const Matrix& basis) {
    const Matrix raw = (basis * raw_basis.topRows(raw_basis.rows() - 1)).rowwise() + constant;
    out.largest_raw = std::max(out.largest_raw, raw.rowwise().squaredNorm().maxCoeff());
  });
  return out;
}

}  // namespace

KeyCoherence full_rank_coherence(double length, const std::vector<double>& sigma, double largest, double largest_raw) {
  const Index rank = std::ssize(sigma);
  return {coherence(length, rank, largest), coherence(length, rank, largest_raw), rank,
          spectrum_statistics(sigma, rank, 0).effective_rank};
}

Leverage leverage(const TallFactor& factor, const Placement& placement) {
  Leverage out{Vector(factor.rows.rows()), factor.rows.width()};
  const bool full_rank = factor.factor.full_rank();
  const Matrix turn = full_rank ? Matrix() : column_basis(factor.factor.r(), placement.length);
  if (!full_rank) {
    out.rank = turn.cols();
    out.whole.resize(factor.rows.rows());
  }
  for_basis(factor, [&](Index begin, const Matrix& basis) {
    auto leverages = out.values.segment(begin, basis.rows());
    if (full_rank) {
      leverages = basis.rowwise().squaredNorm();
    } else {
      leverages = (basis * turn).rowwise().squaredNorm();
      out.whole.segment(begin, basis.rows()) = basis.rowwise().squaredNorm();
    }
  });
  return out;
}

CoherentKeys key_coherence(const Team& team, const TallFactor& keys, const Eigen::RowVectorXd& mean,
                           const Placement& placement) {
  const double length = static_cast<double>(placement.length);
  const Matrix stacked = stacked_triangle(keys.factor.r(), mean, length);
  Pass pass =
      keys.factor.full_rank() ? full_rank_pass(keys, stacked, length) : any_rank_pass(keys, stacked, placement.length);
  const Leverage& centred = pass.centred;
  const double largest = max_over(team, centred.values.size() > 0 ? centred.values.maxCoeff() : 0);
  return {{coherence(length, centred.rank, largest), coherence(length, pass.raw_rank, max_over(team, pass.largest_raw)),
           centred.rank, spectrum_statistics(singular_values(keys.factor.r()), keys.rows.width(), 0).effective_rank},
          std::move(pass.centred)};
}

}  // namespace logitfield::kernels

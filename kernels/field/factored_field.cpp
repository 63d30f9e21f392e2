#include "kernels/field/factored_field.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/field/spectrum.hpp"
#include "kernels/spectra/blas.hpp"
#include "kernels/spectra/lapack.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// rows * r^T; uses the triangular product if r is square.
void multiply_by_core(const Matrix& r, Matrix& rows) {
  if (r.rows() == r.cols()) {
    multiply_by_transpose(r, rows);
  } else {
    rows = (rows * r.transpose()).eval();
  }
}

}  // namespace

Side measure_side(const Team& team, const TallFactor& own, const TallFactor& other, const Matrix& image) {
  Side out;
  out.energy.resize(own.rows.rows());
  out.products.resize(own.rows.rows(), image.cols());
  const Matrix coefficients = own.factor.coefficients(image);
  Matrix rows, sums = Matrix::Zero(2, image.cols());  // squared norms of E X, and of its difference from U S V^T X
  for_tiles(own.rows.rows(), kTileRows, [&](Index begin, Index count) {
    own.rows.tile(begin, count, rows);
    const Matrix direct = rows * other.rows_probes;
    const Matrix rebuilt = own.factor.times(begin, rows, coefficients);
    out.products.middleRows(begin, count) = rebuilt;
    sums.row(0) += direct.colwise().squaredNorm();
    sums.row(1) += (direct - rebuilt).colwise().squaredNorm();
    multiply_by_core(other.factor.r(), rows);
    out.energy.segment(begin, count) = rows.rowwise().squaredNorm();
  });
  sum_over(team, sums);
  judge_probes(sums, image, out);
  return out;
}

void judge_probes(const Matrix& sums, const Matrix& image, Side& side) {
  const Eigen::ArrayXd direct = sums.row(0).cwiseSqrt(), difference = sums.row(1).cwiseSqrt();
  const Eigen::ArrayXd expected = image.colwise().norm();
  side.probe_norm = direct.minCoeff();
  side.probe_residual = larger((difference / direct).maxCoeff<Eigen::PropagateNaN>(),
                               ((direct - expected) / direct).abs().maxCoeff<Eigen::PropagateNaN>());
}

RouteResult factored_route(const FactorSummary& a, const FactorSummary& b, const MeasureSide& measure_side,
                           Index context, double noise, double unresolved) {
  const Svd core = svd(a.r * b.r.transpose());
  const Vector sigma = Eigen::Map<const Vector>(core.sigma.data(), std::ssize(core.sigma));
  const auto side = [&](bool queries) {
    return queries ? measure_side(true, core.u * (sigma.asDiagonal() * (core.vt * b.basis_probes)))
                   : measure_side(false,
                                  core.vt.transpose() * (sigma.asDiagonal() * (core.u.transpose() * a.basis_probes)));
  };
  return factored_result(core.sigma, side, {a.norm, b.norm, a.width}, context,
                         {.noise = noise, .unresolved = unresolved});
}

RouteResult factored_result(std::vector<double> sigma, const std::function<Side(bool)>& side, const FactorSizes& sizes,
                            Index context, const Rounding& limits) {
  RouteResult out;
  out.route = Route::factored;
  out.spectrum = spectrum_statistics(sigma, context, limits.noise, limits.unresolved);
  out.sigma = std::move(sigma);
  if (out.spectrum.energy == 0) return out;
  Side queries = side(true), keys = side(false);
  const double length = static_cast<double>(context), width = static_cast<double>(sizes.width);
  const double rounding = (length + 16 * width) * kEpsilon * sizes.a * sizes.b;
  out.energy_bound = rounding * sizes.a * sizes.b / out.spectrum.energy;
  out.probes = {larger(queries.probe_residual, keys.probe_residual),
                rounding * std::sqrt(length) / std::min(queries.probe_norm, keys.probe_norm)};
  out.products = std::move(queries.products);
  out.query_energy = std::move(queries.energy);
  out.key_energy = std::move(keys.energy);
  out.ascending_queries = std::move(queries.ascending);
  out.ascending_keys = std::move(keys.ascending);
  return out;
}

RouteResult factored_field(const Team& team, const TallFactor& a, const TallFactor& b, const Placement& placement,
                           double noise, double unresolved) {
  const auto side = [&](bool queries, const Matrix& image) {
    return queries ? measure_side(team, a, b, image) : measure_side(team, b, a, image);
  };
  const auto summary = [](const TallFactor& factor) {
    return FactorSummary{factor.factor.r(), factor.basis_probes, factor.norm, factor.rows.width()};
  };
  return factored_route(summary(a), summary(b), side, placement.length, noise, unresolved);
}

}  // namespace logitfield::kernels

#include "kernels/field/tall_factor.hpp"

#include "kernels/spectra/blas.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {

TallFactor tall_factor(const Team& team, FactorRows rows, const Placement& placement) {
  const Index w = rows.width();
  TallFactor out{std::move(rows), {}, 0, {}, {}};
  const Matrix probes = probe_rows(placement.first_row, out.rows.rows());
  Matrix gram = Matrix::Zero(w, w), tile;
  out.rows_probes = Matrix::Zero(w, probes.cols());
  for_tiles(out.rows.rows(), kTileRows, [&](Index begin, Index count) {
    out.rows.tile(begin, count, tile);
    add_gram(tile, gram);
    out.rows_probes.noalias() += tile.transpose() * probes.middleRows(begin, count);
  });
  complete(gram);
  sum_over(team, gram);
  sum_over(team, out.rows_probes);
  out.norm = std::sqrt(gram.trace());
  out.factor = thin_factor(team, out.rows, gram, placement.length);
  out.basis_probes = out.factor.project(team, probes, out.rows_probes);
  return out;
}

}  // namespace logitfield::kernels

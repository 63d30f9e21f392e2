#include "kernels/cpu/learned_interaction.hpp"

#include <optional>

#include "kernels/cpu/blas.hpp"
#include "kernels/cpu/lapack.hpp"
#include "kernels/cpu/thin_factor.hpp"
#include "kernels/spectrum_statistics.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Triangle r with r^T r = W diag(gain)^2 W^T: of the thin factor of (W diag(gain))^T [hidden, d], which is formed only
/// where the products of W's rows do not tell it.
Matrix triangle(const MatrixFRef& projection, const VectorF& gain) {
  Matrix wide = projection.cast<double>();
  if (gain.size() > 0) wide *= gain.cast<double>().asDiagonal();
  Matrix gram = Matrix::Zero(wide.rows(), wide.rows());
  gram.selfadjointView<Eigen::Upper>().rankUpdate(wide);
  complete(gram);
  if (wide.cols() > wide.rows()) {
    if (std::optional<Matrix> r = cholesky(gram); r && one_pass_is_enough(*r)) return *std::move(r);
  }
  const MatrixF tall = projection.transpose();
  FactorRows rows(tall);
  if (gain.size() > 0) rows.scale_rows(gain.cast<double>());
  return thin_factor(alone(), rows, gram, tall.rows()).r();
}

}  // namespace

std::vector<LearnedInteraction> learned_interactions(const std::vector<MatrixFRef>& query_projections,
                                                     const MatrixFRef& key_projection, const VectorF& gain) {
  const Matrix keys = triangle(key_projection, gain);
  std::vector<LearnedInteraction> out;
  for (const MatrixFRef& queries : query_projections) {
    const Matrix core = triangle(queries, gain) * keys.transpose();
    const SpectrumStatistics s = spectrum_statistics(singular_values(core), queries.cols(), 0);
    out.push_back({s.k90, s.effective_rank, s.stable_rank, kUndefined});
  }
  return out;
}

}  // namespace logitfield::kernels::cpu

#include "kernels/field/learned_interaction.hpp"

#include <optional>

#include "kernels/field/spectrum.hpp"
#include "kernels/field/thin_factor.hpp"
#include "kernels/spectra/blas.hpp"
#include "kernels/spectra/lapack.hpp"

namespace logitfield::kernels {
namespace {

/// Triangle r with r^T r = W diag(gain)^2 W^T, from the thin factor of (W diag(gain))^T [hidden, d]. That matrix is
/// formed only if the products of W's rows do not determine r.
Matrix triangle(const MatrixFRef& projection, const VectorF& gain) {
  Matrix wide = projection.cast<double>();
  if (gain.size() > 0) wide *= gain.cast<double>().asDiagonal();
  Matrix gram = Matrix::Zero(wide.rows(), wide.rows());
  gram.selfadjointView<Eigen::Upper>().rankUpdate(wide);
  complete(gram);
  if (wide.cols() > wide.rows()) {
    if (std::optional<Matrix> r = cholesky(gram); r && one_pass_is_enough(condition(*r), r->cols()))
      return *std::move(r);
  }
  const MatrixF tall = projection.transpose();
  FactorRows rows(tall);
  if (gain.size() > 0) rows.scale_rows(gain.cast<double>());
  return thin_factor(alone(), rows, gram, tall.rows()).r();
}

/// A gain after the projection multiplies the columns of its triangle, exactly as it does those of W^T.
Matrix triangle(const Projection& projection, const VectorF& gain) {
  Matrix out = triangle(projection.weight, gain);
  if (projection.gain.size() > 0) out *= projection.gain.cast<double>().asDiagonal();
  return out;
}

SpectrumStatistics spectrum_of(const Matrix& queries, const Matrix& keys, Index hidden) {
  const Matrix core = queries * keys.transpose();
  return spectrum_statistics(singular_values(core), hidden, 0);
}

}  // namespace

std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries, const Projection& keys,
                                                     const VectorF& gain) {
  const Matrix of_keys = triangle(keys, gain);
  const bool has_gains = gain.size() > 0 || keys.gain.size() > 0;
  const Matrix plain_keys = has_gains ? triangle(keys.weight, {}) : of_keys;
  std::vector<LearnedInteraction> out;
  for (const Projection& query : queries) {
    const Index hidden = query.weight.cols();
    const SpectrumStatistics s = spectrum_of(triangle(query, gain), of_keys, hidden);
    const bool same = !has_gains && query.gain.size() == 0;
    const std::int64_t plain = same ? s.k90 : spectrum_of(triangle(query.weight, {}), plain_keys, hidden).k90;
    out.push_back({s.k90, plain, s.effective_rank, s.stable_rank, kUndefined});
  }
  return out;
}

}  // namespace logitfield::kernels

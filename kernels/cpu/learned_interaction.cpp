#include "kernels/cpu/learned_interaction.hpp"

#include "kernels/cpu/lapack.hpp"
#include "kernels/cpu/thin_factor.hpp"
#include "kernels/spectrum_statistics.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Triangle of the thin factor of (W diag(gain))^T [hidden, d].
Matrix triangle(const MatrixFRef& projection, const VectorF& gain) {
  const MatrixF tall = projection.transpose();
  FactorRows rows(tall);
  if (gain.size() > 0) rows.scale_rows(gain.cast<double>());
  return thin_factor(alone(), rows, gram_of(alone(), rows), tall.rows()).r();
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

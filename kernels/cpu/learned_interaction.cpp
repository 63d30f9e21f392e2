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

LearnedInteraction learned_interaction(const MatrixFRef& query_projection, const MatrixFRef& key_projection,
                                       const VectorF& gain) {
  const Matrix core = triangle(query_projection, gain) * triangle(key_projection, gain).transpose();
  const SpectrumStatistics s = spectrum_statistics(singular_values(core), query_projection.cols(), 0);
  return {s.k90, s.effective_rank, s.stable_rank, kUndefined};
}

}  // namespace logitfield::kernels::cpu

#pragma once
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Spectrum of W_Q^T W_K [hidden, hidden] of one head, from its projections [d, hidden] with the norm's gain [hidden]
/// folded into both (empty: no gain): thin factors of each, SVD of the d x d core. `spectral_gap` is left undefined.
LearnedInteraction learned_interaction(const MatrixFRef& query_projection, const MatrixFRef& key_projection,
                                       const VectorF& gain);

}  // namespace logitfield::kernels::cpu

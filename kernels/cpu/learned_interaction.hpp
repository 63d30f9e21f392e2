#pragma once
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Spectra of W_Q^T W_K [hidden, hidden] of the query heads that share a KV head, from their projections [d, hidden]
/// with the norm's gain [hidden] folded into both (empty: no gain): thin factors of each, SVD of the d x d cores.
/// `spectral_gap` is left undefined.
std::vector<LearnedInteraction> learned_interactions(const std::vector<MatrixFRef>& query_projections,
                                                     const MatrixFRef& key_projection, const VectorF& gain);

}  // namespace logitfield::kernels::cpu

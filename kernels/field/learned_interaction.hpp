#pragma once
#include <vector>

#include "kernels/block.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// Computes the spectra of W_Q^T W_K [hidden, hidden] of the query heads that share a KV head: thin factors of each
/// projection, then the SVD of the d x d cores. The gain [hidden] of the norm before the projections (empty: none) and
/// the projections' own gains are folded in; plain_k90 belongs to the product without gains. `spectral_gap` is left
/// undefined.
std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries, const Projection& keys,
                                                     const VectorF& gain);

}  // namespace logitfield::kernels

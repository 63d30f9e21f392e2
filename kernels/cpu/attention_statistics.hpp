#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Statistics of the causal softmax of one head, for every context, a prefix of the first contexts.back() rows. Forms
/// the scaled logits j <= i tile by tile (never L x L). `contexts` ascending; queries and keys [>= contexts.back(), d].
/// L^2 d flops, memory O(64 L).
std::vector<AttentionStatistics> attention_statistics(const MatrixRef& queries, const MatrixRef& keys, double scale,
                                                      std::span<const std::int64_t> contexts);

}  // namespace logitfield::kernels::cpu

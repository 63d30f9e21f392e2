#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// What only the logits themselves can tell of one context.
struct DirectMeasurement {
  AttentionStatistics attention;
  /// See Certificate.
  double zero_sum_residual = 0, zero_sum_margin = 0;
};

/// Forms the scaled logits of one head tile by tile (never L x L) and measures every context, a prefix of the first
/// contexts.back() rows. `contexts` ascending, at least 2; queries and keys [>= contexts.back(), d].
/// 2 L^2 d flops, memory O(128 L).
std::vector<DirectMeasurement> measure_direct_logits(const MatrixRef& queries, const MatrixRef& keys, double scale,
                                                     std::span<const std::int64_t> contexts);

}  // namespace logitfield::kernels::cpu

#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Longest context in which attention is measured: it costs L^2 d flops, other statistics L d^2.
inline constexpr std::int64_t kLongestAttention = 32768;

/// Statistics of the causal softmax of one head over the keys that form.visible shows. Each of the ascending `contexts`
/// is a prefix of the first contexts.back() rows. Queries and keys [>= contexts.back(), d]. Forms the logits of visible
/// keys tile by tile (never L x L). L^2 d flops, memory O(64 L).
std::vector<AttentionStatistics> attention_statistics(const MatrixFRef& queries, const MatrixRef& keys,
                                                      const LogitForm& form, std::span<const std::int64_t> contexts);
/// Computes these statistics from the rows of a forward pass, whose logits and weights are float32.
std::vector<AttentionStatistics> attention_statistics(const RowAttention& rows, std::span<const std::int64_t> contexts);

/// Adds the attention statistics to those of the head's field. Does nothing if the head's Q, K or field are not finite.
/// If only the attention is not finite, the certificate says so.
void attach(const AttentionStatistics& attention, HeadStatistics& head);

}  // namespace logitfield::kernels::cpu

#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Contexts longer than this would cost L^2 d flops beside statistics that cost L d^2: there attention is not measured.
inline constexpr std::int64_t kLongestAttention = 32768;

/// Statistics of the causal softmax of one head over the keys that form.visible shows, for every context, a prefix of
/// the first contexts.back() rows. Forms the logits of visible keys tile by tile (never L x L). `contexts` ascending;
/// queries and keys [>= contexts.back(), d]. L^2 d flops, memory O(64 L).
std::vector<AttentionStatistics> attention_statistics(const MatrixFRef& queries, const MatrixRef& keys,
                                                      const LogitForm& form, std::span<const std::int64_t> contexts);
/// The same from a forward pass, whose logits and weights are float32.
std::vector<AttentionStatistics> attention_statistics(const RowAttention& rows, std::span<const std::int64_t> contexts);

/// Puts what was measured of a head's attention beside its field. Nothing where the head's Q, K or field are not
/// finite; where the attention is not, the certificate says so.
void attach(const AttentionStatistics& attention, HeadStatistics& head);

}  // namespace logitfield::kernels::cpu

#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// Longest context in which attention is measured: it costs L^2 d flops, other statistics L d^2.
inline constexpr std::int64_t kLongestAttention = 32768;
/// Number of queries whose logits are formed together: large enough for products at full speed, small enough to waste
/// little work above the diagonal.
inline constexpr Index kAttentionTile = 64;

/// The causal softmax of each row of a head [L]: largest logit of a key, entropy in nats (of keys and sink together),
/// weight on position 0.
struct AttentionRows {
  Vector max_logit, entropy, sink;
  /// Machine epsilon of the arithmetic that computed them.
  double rounding = kEpsilon;
};

/// Computes the rows of one head over the keys that form.visible shows, and form.sink. Queries and keys [>= length, d].
/// Forms the logits of visible keys tile by tile (never L x L). L^2 d flops, memory O(kAttentionTile L).
AttentionRows attention_rows(const MatrixFRef& queries, const MatrixRef& keys, const LogitForm& form, Index length);
/// Returns the first `length` rows of a forward pass, whose logits and weights are float32.
AttentionRows attention_rows(const RowAttention& rows, Index length);

/// Computes the statistics of each of the ascending `contexts`, which are prefixes of the rows.
std::vector<AttentionStatistics> attention_statistics(const AttentionRows& rows,
                                                      std::span<const std::int64_t> contexts);

/// Adds the attention statistics and the margin of their check (NaN: none) to those of the head's field. Does nothing
/// if the head's Q, K or field are not finite. If only the attention is not finite, the certificate says so.
void attach(const AttentionStatistics& attention, double margin, HeadStatistics& head);

}  // namespace logitfield::kernels

#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels::cpu {

/// Statistics of the full field E = S - row mean, for the query heads of one KV head and every context, by the factored
/// route: O(L d^2) for spectrum, shares and coherence; only the attention statistics cost O(L^2 d).
/// queries: one [L, d] per query head; keys [L, d]; contexts ascending, 2 <= context <= L.
/// Returns one list per query head, one entry per context. Non-finite Q or K gives entries whose certificate says so.
/// Throws std::invalid_argument if shapes disagree. Source: MATH "Exact statistics without forming L x L".
std::vector<std::vector<HeadStatistics>> full_field_statistics(std::span<const MatrixFRef> queries,
                                                               const MatrixFRef& keys, double scale,
                                                               std::span<const std::int64_t> contexts);

}  // namespace logitfield::kernels::cpu

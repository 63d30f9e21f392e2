#pragma once
#include <array>
#include <cstdint>
#include <set>

#include "kernels/field_request.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Draws the heads (text, layer, head) that --verify-dense checks: plan.verified_heads of the measured ones, without
/// replacement, by the plan's seed. Every rank gets the same draw.
std::set<std::array<std::int64_t, 3>> draw_verified(const Job& job, const Plan& plan);

/// Returns the largest of three differences: of the singular values that both routes know, divided by the largest one;
/// of the energies, divided by the energy; of the binned energy shares. NaN if either result is not finite.
double difference_from_dense(const kernels::HeadStatistics& found, const kernels::RouteResult& dense);

}  // namespace logitfield

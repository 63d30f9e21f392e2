#pragma once
#include <array>
#include <cstdint>
#include <set>

#include "kernels/field_request.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// The (text, layer, head) that --verify-dense checks: plan.verified_heads of all that are measured, drawn without
/// replacement by the plan's seed; the same on every rank.
std::set<std::array<std::int64_t, 3>> draw_verified(const Job& job, const Plan& plan);

/// Largest of: the differences of the singular values that both routes know, over the largest; that of the energies,
/// over the energy; those of the binned energy shares. NaN where one of the two is not finite.
double difference_from_dense(const kernels::HeadStatistics& found, const kernels::RouteResult& dense);

}  // namespace logitfield

#pragma once
#include <array>
#include <cstdint>
#include <set>

#include "kernels/field_request.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// The (text, layer, head) that --verify-dense checks: plan.verified_heads of all measured ones, drawn without
/// replacement by the plan's seed. The same on every rank.
std::set<std::array<std::int64_t, 3>> draw_verified(const Job& job, const Plan& plan);

/// The largest of three differences: of the singular values that both routes know, relative to the largest; of the
/// energies, relative to the energy; of the binned energy shares. NaN where either result is not finite.
double difference_from_dense(const kernels::HeadStatistics& found, const kernels::RouteResult& dense);

}  // namespace logitfield

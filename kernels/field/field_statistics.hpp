#pragma once
#include <span>
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Statistics of the fields of a whole KV group on one rank, by the routes asked for (not scalapack). Spectrum, shares
/// and coherence cost O(L d^2) by the factored route; attention, measured up to kLongestAttention, O(L^2 d). Returns
/// one list per query head, one entry per request. Non-finite Q or K gives entries whose certificate says so. Throws
/// std::invalid_argument if shapes disagree, a context is not 2 ... L, or a route does not lead to a field.
std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                          std::span<const FieldRequest> requests);

/// The same for rows that a team shares, one context: the requests' context is placement.length. Attention is not
/// measured. Collective; every rank gets the same.
std::vector<std::vector<HeadStatistics>> shared_field_statistics(const Team& team, const HeadGroup& group,
                                                                 const Placement& placement,
                                                                 std::span<const FieldRequest> requests);

/// Statistics of one field of a group's query head, in the context of all its rows, from a spectrum found elsewhere.
HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope, RouteResult result);

}  // namespace logitfield::kernels::cpu

#pragma once
#include <span>
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// Measures the fields of a whole KV group on one rank, by the requested routes (not scalapack). Returns one list per
/// query head, one entry per request. Spectrum, shares and coherence cost O(L d^2) by the factored route; attention,
/// measured up to kLongestAttention, O(L^2 d). Non-finite Q or K give entries whose certificate says so. Throws
/// std::invalid_argument if shapes disagree, a context is not 2 ... L, or a route cannot measure the field.
std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                          std::span<const FieldRequest> requests);

/// Measures a group whose rows a team shares, in one context: that of every request must be placement.length. Attention
/// is not measured. Collective; every rank gets the same result.
std::vector<std::vector<HeadStatistics>> shared_field_statistics(const Team& team, const HeadGroup& group,
                                                                 const Placement& placement,
                                                                 std::span<const FieldRequest> requests);

/// Completes the statistics of one field of a query head of the group, in the context of all its rows, from a spectrum
/// found elsewhere.
HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope, RouteResult result);

}  // namespace logitfield::kernels

#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// Computes how `energies` (one per position, >= 0) are shared; a total of 0 gives the values of a zero field.
/// `ascending`: the same numbers sorted, if the caller has them; else empty.
ShareStatistics share_statistics(std::span<const double> energies, std::span<const double> ascending = {});

/// The most bins of a profile.
inline constexpr std::size_t kProfileBins = 256;

/// Energy shares summed over min(L, kProfileBins) bins: bin b of B holds positions floor(b L / B) ... floor((b+1) L /
/// B) - 1.
std::vector<double> share_profile(std::span<const double> energies);

}  // namespace logitfield::kernels

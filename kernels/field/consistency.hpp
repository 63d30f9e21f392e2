#pragma once
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// By how much the statistics of one head contradict each other, at most; about 0 for what belongs to one field.
///   counts: fewer than k singular values carry less than their share of the energy, k carry it
///   spectrum: stable_rank <= participation_ratio <= energy_effective_rank <= effective_rank <= L (Renyi entropies)
///   shares: 1 / max_share <= L participation <= L^entropy <= L, and the bins of a profile sum to 1
///   coherence: between 1 and L / key_rank; `leverages`, their sum over all keys, is key_rank
/// What is undefined contradicts nothing. `length`: L.
double inconsistency(const HeadStatistics& head, std::int64_t length, double leverages);

}  // namespace logitfield::kernels

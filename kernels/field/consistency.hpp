#pragma once
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// The largest contradiction between the statistics of one head; about 0 if they belong to one field. Undefined
/// statistics contradict nothing. `length` is L; `leverages` is their sum over all keys. The relations checked:
/// - counts: fewer than k singular values carry less than their share of the energy, k carry it
/// - spectrum: stable_rank <= participation_ratio <= energy_effective_rank <= effective_rank <= L (Renyi entropies)
/// - shares: 1 / max_share <= L participation <= L^entropy <= L, first <= max <= top 1 % <= 1, top 1 % against the Gini
///   coefficient; the bins of a profile sum to 1, and hold the first and the largest share
/// - coherence: between 1 and L / key_rank, and `leverages` is key_rank; raw coherence and effective rank between 1 and
/// L
double inconsistency(const HeadStatistics& head, std::int64_t length, double leverages);

}  // namespace logitfield::kernels

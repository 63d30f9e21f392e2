#include "pipeline/measure/dense_check.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/field/shares.hpp"
#include "kernels/field_request.hpp"
#include "kernels/random.hpp"

namespace logitfield {
namespace {

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = kernels::larger(worst, std::abs(a[i] - b[i]));
  return worst;
}

std::vector<double> profile_of(const kernels::Vector& energies) {
  return kernels::share_profile(kernels::as_span(energies));
}

}  // namespace

std::set<std::array<std::int64_t, 3>> draw_verified(const Job& job, const Plan& plan) {
  std::set<std::array<std::int64_t, 3>> out;
  if (plan.verified_heads == 0) return out;
  // Each head gets a random number; the heads with the smallest numbers are drawn.
  std::vector<std::pair<std::uint64_t, std::array<std::int64_t, 3>>> lots;
  for (std::int64_t text = 0; text < job.num_texts; ++text) {
    for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
      for (std::int64_t head = 0; head < job.extents.num_heads; ++head) {
        lots.push_back({kernels::stream_seed(plan.seed, lots.size()), {text, layer, head}});
      }
    }
  }
  std::ranges::sort(lots);
  const auto count = std::min<std::size_t>(lots.size(), static_cast<std::size_t>(plan.verified_heads));
  for (std::size_t i = 0; i < count; ++i) out.insert(lots[i].second);
  return out;
}

double difference_from_dense(const kernels::HeadStatistics& found, const kernels::RouteResult& dense) {
  if (dense.spectrum.energy == 0 && found.spectrum.energy == 0) return 0;
  if (!(dense.spectrum.energy > 0)) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (const double difference : {largest_difference(found.singular_values, dense.sigma) / dense.spectrum.sigma_max,
                                  std::abs(found.spectrum.energy - dense.spectrum.energy) / dense.spectrum.energy,
                                  largest_difference(found.key_profile, profile_of(dense.key_energy)),
                                  largest_difference(found.query_profile, profile_of(dense.query_energy))}) {
    worst = kernels::larger(worst, difference);
  }
  return worst;
}

}  // namespace logitfield

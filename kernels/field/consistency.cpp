#include "kernels/field/consistency.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace logitfield::kernels {
namespace {

class Contradictions {
 public:
  /// Checks a <= b, relative to b; `allowed` is the possible error of b.
  void ascending(double a, double b, double allowed = 0) {
    if (a > 0 && b > 0) worst_ = std::max(worst_, (a - allowed) / b - 1);
  }
  void equal(double a, double b) {
    if (!std::isnan(a) && !std::isnan(b)) worst_ = std::max(worst_, std::abs(a - b));
  }
  double worst() const { return worst_; }

 private:
  double worst_ = 0;
};

/// Checks that k is the count for a share of the energy, by the singular values that are kept.
void check_count(std::int64_t k, double share, const SpectrumStatistics& s, std::span<const double> sigma,
                 Contradictions& out) {
  if (k == 0) out.equal(0, 1);
  if (k < 1 || k > std::ssize(sigma)) return;
  const auto carried = [&](std::int64_t count) {
    return std::transform_reduce(sigma.begin(), sigma.begin() + count, 0.0, std::plus(),
                                 [](double x) { return x * x; });
  };
  out.ascending(share, carried(k) / s.energy);
  out.ascending(carried(k - 1) / s.energy, share);
}

void check_spectrum(const HeadStatistics& head, double length, Contradictions& out) {
  const SpectrumStatistics& s = head.spectrum;
  if (s.energy == 0) return;
  check_count(s.k50, 0.50, s, head.singular_values, out);
  check_count(s.k90, 0.90, s, head.singular_values, out);
  check_count(s.k95, 0.95, s, head.singular_values, out);
  check_count(s.k99, 0.99, s, head.singular_values, out);
  constexpr double kErrors = 6;  // standard errors of an estimate
  const double ratio = kErrors * s.participation_ratio_se, energy_rank = kErrors * s.energy_effective_rank_se,
               rank = kErrors * s.effective_rank_se;
  out.ascending(s.stable_rank, s.participation_ratio, ratio);
  out.ascending(s.participation_ratio, s.energy_effective_rank, ratio + energy_rank);
  out.ascending(s.energy_effective_rank, s.effective_rank, energy_rank + rank);
  out.ascending(s.effective_rank, length, rank);
}

void check_shares(const ShareStatistics& s, std::span<const double> profile, double length, Contradictions& out) {
  if (std::isnan(s.max_share)) return;
  const double even = length * s.participation, spread = std::pow(length, s.entropy);
  out.ascending(1 / s.max_share, even);
  out.ascending(even, spread);
  out.ascending(spread, length);
  out.equal(std::accumulate(profile.begin(), profile.end(), 0.0), 1);
}

}  // namespace

double inconsistency(const HeadStatistics& head, std::int64_t length, double leverages) {
  const auto l = static_cast<double>(length);
  Contradictions out;
  check_spectrum(head, l, out);
  check_shares(head.keys, head.key_profile, l, out);
  check_shares(head.queries, head.query_profile, l, out);
  if (head.coherence.key_rank > 0) {
    const auto rank = static_cast<double>(head.coherence.key_rank);
    out.ascending(1, head.coherence.coherence);
    out.ascending(head.coherence.coherence, l / rank);
    out.equal(leverages, rank);
  }
  return out.worst();
}

}  // namespace logitfield::kernels

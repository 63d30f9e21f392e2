#include "kernels/field/consistency.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace logitfield::kernels {
namespace {

/// Far above the rounding of a sum of shares.
constexpr double kRounding = 1e-9;

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

/// The bin of a profile (share_profile) that holds this position.
double bin_of(std::int64_t position, std::span<const double> profile, double length) {
  const double bins = static_cast<double>(profile.size());
  std::size_t bin = 0;
  while (std::floor(static_cast<double>(bin + 1) * length / bins) <= static_cast<double>(position)) ++bin;
  return profile[bin];
}

void check_shares(const ShareStatistics& s, std::span<const double> profile, double length, Contradictions& out) {
  if (std::isnan(s.max_share)) return;
  const double even = length * s.participation, spread = std::pow(length, s.entropy);
  out.ascending(1 / s.max_share, even);
  out.ascending(even, spread);
  out.ascending(spread, length);
  out.ascending(s.first_share, s.max_share);
  out.ascending(s.max_share, s.top1pct_share);
  out.ascending(s.top1pct_share, 1);
  // The Lorenz curve lies this far below the diagonal where the largest 1 % begin. Both are about 0 for even shares.
  out.ascending(s.top1pct_share - std::ceil(length / 100) / length, s.gini, kRounding);
  out.ascending(s.max_share, bin_of(s.argmax, profile, length));
  out.ascending(s.first_share, profile[0]);
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
    out.ascending(1, head.coherence.coherence_raw);
    out.ascending(head.coherence.coherence_raw, l);
    out.ascending(1, head.coherence.key_effective_rank);
    out.ascending(head.coherence.key_effective_rank, l);
  }
  return out.worst();
}

}  // namespace logitfield::kernels

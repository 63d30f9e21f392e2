#include <algorithm>
#include <cmath>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {
namespace {

/// A looser bound certifies nothing, because cancellation then leaves fewer than six digits.
constexpr double kLoosestBound = 1e-6;

/// Allowed difference between two routes to one field: singular values differ by their triplets' residuals.
constexpr double kDenseAgreement = 1e-7;

/// Makes a check that fails for NaN.
CertificateCheck check(std::string_view name, double error, double bound) {
  return {name, error, bound, error <= bound};
}

}  // namespace

std::vector<CertificateCheck> Certificate::checks() const {
  const auto bounded = [](double bound) { return std::min(bound, kLoosestBound); };
  std::vector<CertificateCheck> out{
      check("finite", finite ? 0 : 1, 0),
      check("energies agree", energy_error, bounded(energy_bound)),
      check("field against its parts", probe_residual, bounded(probe_bound)),
      check("rows sum to zero (over rounding)", zero_sum_margin, 1),
      check("rank", static_cast<double>(rank), static_cast<double>(rank_bound)),
      check("delocalisation", delocalisation_excess, bounded(energy_bound)),
  };
  if (!std::isnan(inconsistency))
    out.push_back(check("statistics agree with each other", inconsistency, kLoosestBound));
  if (!std::isnan(attention_margin)) out.push_back(check("attention (over rounding)", attention_margin, 1));
  if (!std::isnan(dense_difference)) out.push_back(check("dense decomposition", dense_difference, kDenseAgreement));
  return out;
}

bool Certificate::certified() const { return std::ranges::all_of(checks(), &CertificateCheck::holds); }

}  // namespace logitfield::kernels

// Checks that FieldContext makes for a head: every number that a route returns is compared with one computed in another
// way.
#include <algorithm>
#include <cmath>

#include "kernels/field/consistency.hpp"
#include "kernels/field/head_context.hpp"

namespace logitfield::kernels {
namespace {

/// Mean square of a probe's entries, uniform in (-1, 1).
constexpr double kProbeSquare = 1.0 / 3;

void raise(double error, double bound, double& worst_error, double& worst_bound) {
  worst_error = larger(worst_error, error);
  worst_bound = std::max(worst_bound, bound);
}

}  // namespace

FieldContext::Magnitudes FieldContext::magnitudes(std::size_t head) const {
  const LogitForm& form = forms_[head];
  const double n = static_cast<double>(placement_.length), slope = form.alibi_slope;
  return {.queries = form.scale * form.scale * query_norms_[head] + n * slope * slope,
          .keys = raw_norm_ * raw_norm_ + (slope != 0 ? n * n * n / 3 : 0),
          .terms = n + 16 * static_cast<double>(head_dim_)};
}

void FieldContext::certify(std::size_t head, Scope scope, double by_keys, double by_queries, const RouteResult& result,
                           HeadStatistics& out) {
  const RowSample sample = this->sample(head, scope);
  const DirectProducts direct = this->direct(head, scope);
  const Rounding rounding = this->rounding(head);
  const Magnitudes sizes = magnitudes(head);
  Certificate& c = out.certificate;
  c.probe_residual = result.probes.error;
  c.probe_bound = result.probes.bound;
  c.zero_sum_residual = sample.residual;
  c.zero_sum_margin = sample.margin;
  if (result.row_sums != 0) c.zero_sum_margin = larger(c.zero_sum_margin, result.row_sums / rounding.row_sums);
  c.rank = result.spectrum.rank;
  c.rank_bound = out.rank_bound;
  c.inconsistency = inconsistency(out, placement_.length, sum_over(team_, coherence().leverage.values.sum()));
  if (out.spectrum.energy == 0) {
    const double seen = larger(sample.energies.sum(), sum_over(team_, direct.products.squaredNorm()));
    c.energy_error = seen == 0 ? 0 : std::sqrt(seen / rounding.size);
    c.energy_bound = sizes.terms * kEpsilon;
    return;
  }
  compare_totals(by_keys, by_queries, result, out);
  compare_rows(sample, sizes, result, out);
  compare_direct(direct, sizes, result, out);
  if (scope == Scope::full && forms_[head].has_factors()) check_delocalisation(head, result.key_energy, out);
}

/// Checks the numbers as returned, so that errors after the route are found too.
void FieldContext::compare_totals(double by_keys, double by_queries, const RouteResult& result,
                                  HeadStatistics& out) const {
  const SpectrumStatistics& s = out.spectrum;
  double by_sigma = 0;
  for (const double sigma : result.sigma) by_sigma += sigma * sigma;
  // A whole spectrum carries all of the energy; leading components carry no more than that.
  const double beyond = s.rank >= 0 ? by_sigma - s.energy : std::max(by_sigma - s.energy, 0.0);
  Certificate& c = out.certificate;
  for (const double difference :
       {by_keys - s.energy, by_queries - s.energy, by_sigma - s.captured * s.energy, beyond}) {
    c.energy_error = larger(c.energy_error, std::abs(difference) / s.energy);
  }
  const double terms = static_cast<double>(placement_.length + 16 * head_dim_);
  c.energy_bound = std::max(result.energy_bound, terms * kEpsilon);
}

/// Compares the route's rows with those whose logits were formed one by one: energies, and products with the probes.
void FieldContext::compare_rows(const RowSample& sample, const Magnitudes& sizes, const RouteResult& result,
                                HeadStatistics& out) const {
  const Index rows = std::ssize(sample.positions), probes = sample.products.cols();
  Matrix found = Matrix::Zero(rows, 1 + probes);
  for (Index r = 0; r < rows; ++r) {
    const Index own = sample.positions[r] - placement_.first_row;
    if (own < 0 || own >= rows_) continue;
    found.row(r) << result.query_energy[own], result.products.row(own);
  }
  sum_over(team_, found);
  Certificate& c = out.certificate;
  const double energy = out.spectrum.energy, length = static_cast<double>(placement_.length);
  const double share = length / static_cast<double>(rows), unit = energy * kProbeSquare * static_cast<double>(probes);
  raise(share * (found.col(0) - sample.energies).cwiseAbs().sum() / energy,
        share * sizes.terms * kEpsilon * sample.query_norms * sizes.keys / energy, c.energy_error, c.energy_bound);
  raise(std::sqrt(share * (found.rightCols(probes) - sample.products).squaredNorm() / unit),
        sizes.terms * kEpsilon *
            std::sqrt(share * sample.query_norms * sizes.keys * length * static_cast<double>(probes) / unit),
        c.probe_residual, c.probe_bound);
}

/// Compares all of the route's rows, and the energies of some keys, with those computed directly from the queries and
/// keys.
void FieldContext::compare_direct(const DirectProducts& direct, const Magnitudes& sizes, const RouteResult& result,
                                  HeadStatistics& out) const {
  const Index keys = std::ssize(direct.keys), probes = direct.products.cols();
  Matrix found = Matrix::Zero(keys, 1);
  for (Index k = 0; k < keys; ++k) {
    const Index own = direct.keys[k] - placement_.first_row;
    if (own >= 0 && own < rows_) found(k, 0) = result.key_energy[own];
  }
  sum_over(team_, found);
  Certificate& c = out.certificate;
  const double energy = out.spectrum.energy, length = static_cast<double>(placement_.length);
  const double share = length / static_cast<double>(keys), unit = energy * kProbeSquare * static_cast<double>(probes);
  const double size = sizes.queries * sizes.keys;
  raise(share * (found.col(0) - direct.key_energies).cwiseAbs().sum() / energy,
        share * sizes.terms * kEpsilon * size / energy, c.energy_error, c.energy_bound);
  raise(std::sqrt(sum_over(team_, (result.products - direct.products).squaredNorm()) / unit),
        sizes.terms * kEpsilon * std::sqrt(size * length * static_cast<double>(probes) / unit), c.probe_residual,
        c.probe_bound);
}

/// Incoherent keys force a delocalised field: c_j stable_rank <= leverage_j.
void FieldContext::check_delocalisation(std::size_t head, const Vector& key_energy, HeadStatistics& out) {
  const Leverage& allowed = key_leverage(head);
  const Vector& most = allowed.whole.size() > 0 ? allowed.whole : allowed.values;
  const double total = sum_over(team_, key_energy.sum());
  const Vector claimed = key_energy / total * out.spectrum.stable_rank;
  double worst[2] = {-1, 0};
  if (claimed.size() > 0) {
    worst[0] = (claimed - most).maxCoeff();
    worst[1] = (claimed.array() / allowed.values.array().max(1e-300)).maxCoeff();
  }
  team_.max(worst);
  out.certificate.delocalisation_excess = worst[0];
  out.delocalisation_ratio = worst[1];
}

}  // namespace logitfield::kernels

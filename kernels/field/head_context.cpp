#include "kernels/field/head_context.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/field/attention_check.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/factored_field.hpp"
#include "kernels/field/shares.hpp"
#include "kernels/field/windowed_field.hpp"

namespace logitfield::kernels {
namespace {

bool has_slope(const LogitForm& form) { return form.alibi_slope != 0; }

/// Columns of the field's factors, without those of means.
Index factor_columns(const LogitForm& form, Index head_dim) { return head_dim + (has_slope(form) ? 1 : 0); }

/// The largest rank that the algebra allows: rows sum to zero (not those of causal-mean), and factors have so many
/// columns.
std::int64_t rank_bound(const LogitForm& form, Scope scope, Index length, Index head_dim) {
  const Index columns = factor_columns(form, head_dim);
  const Index chunk = mask_of(form, scope, length).chunk;
  // The first row of each chunk sees one key, whose logit is its mean.
  const Index by_length = scope == Scope::causal_mean ? length
                          : chunk > 0                 ? length - (length + chunk - 1) / chunk
                                                      : length - 1;
  if (!form.has_factors() || is_masked(scope)) return by_length;
  return std::min(by_length, scope == Scope::causal_mean ? columns + 1 : columns);
}

/// Returns the statistics of a failed head, whose Q or K holds a NaN or an infinity.
HeadStatistics non_finite_statistics(std::int64_t bound) {
  HeadStatistics out;
  SpectrumStatistics& s = out.spectrum;
  s.rank = s.k50 = s.k90 = s.k95 = s.k99 = -1;
  s.energy = s.sigma_max = s.captured = s.effective_rank = s.energy_effective_rank = s.effective_rank_se =
      s.energy_effective_rank_se = s.stable_rank = s.participation_ratio = s.participation_ratio_se = s.gap =
          kUndefined;
  out.rank_bound = bound;
  out.keys = out.queries = share_statistics({});
  out.coherence = {kUndefined, kUndefined, -1, kUndefined};
  Certificate& c = out.certificate;
  c.energy_error = c.energy_bound = c.probe_residual = c.probe_bound = c.zero_sum_residual = c.zero_sum_margin =
      c.delocalisation_excess = c.inconsistency = kUndefined;
  c.rank = -1;
  c.rank_bound = bound;
  return out;
}

/// Checks the values that are defined for every head. gap may be infinite; a zero field has no shares, and zero keys
/// have no coherence.
bool statistics_finite(const HeadStatistics& s) {
  const double values[] = {s.spectrum.energy, s.spectrum.effective_rank, s.spectrum.energy_effective_rank,
                           s.spectrum.participation_ratio};
  return std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
}

}  // namespace

HeadContext::HeadContext(const Team& team, const HeadGroup& group, const Placement& placement)
    : FieldContext(team, group.forms, placement, group.keys.rows(), group.keys.cols()),
      group_(group),
      keys_(centred_keys(team, group.keys, placement)),
      probes_(probe_rows(placement.first_row, rows_)) {
  raw_norm_ = keys_.raw_norm;
  for (const MatrixFRef& q : group.queries) query_norms_.push_back(squared_norm(q));
  team.sum(query_norms_);
}

// Squares of float32 numbers cannot overflow in float64.
bool FieldContext::finite(std::size_t head) const {
  return std::isfinite(raw_norm_) && std::isfinite(query_norms_[head]);
}

Rounding FieldContext::rounding(std::size_t head) const {
  return rounding_of(forms_[head], placement_.length, head_dim_, query_norms_[head], raw_norm_ * raw_norm_);
}

Index FieldContext::coupling(std::size_t head, Scope scope) const {
  const bool triangle = is_masked(scope) && mask_of(forms_[head], scope, placement_.length) == Visible{};
  if (!triangle || !forms_[head].has_factors()) return placement_.length;
  return factor_columns(forms_[head], head_dim_) + 1;  // and the column of means
}

FactorRows HeadContext::query_rows(std::size_t head, Scope scope) const {
  const LogitForm& form = forms_[head];
  FactorRows rows = field_queries(group_.queries[head], form);
  if (scope == Scope::causal_mean) {
    rows.append(-causal_means(team_, rows, field_keys(keys_, form, placement_), placement_));
  }
  return rows;
}

const TallFactor& HeadContext::key_factor(std::size_t head, Scope scope) {
  const LogitForm& form = forms_[head];
  std::optional<TallFactor>& factor = (scope == Scope::full ? full_ : causal_mean_)[has_slope(form)];
  if (!factor) {
    FactorRows rows = field_keys(keys_, form, placement_);
    if (scope == Scope::causal_mean) rows.append(Vector::Ones(rows.rows()));
    factor.emplace(tall_factor(team_, std::move(rows), placement_));
  }
  return *factor;
}

const CoherentKeys& HeadContext::coherence() {
  if (!coherence_) {
    if (!full_[0]) full_[0].emplace(tall_factor(team_, keys_.rows, placement_));
    coherence_ = key_coherence(team_, *full_[0], keys_.mean, placement_);
  }
  return *coherence_;
}

const Leverage& HeadContext::key_leverage(std::size_t head) {
  if (!has_slope(forms_[head])) return coherence().leverage;
  if (!alibi_leverage_) alibi_leverage_ = leverage(key_factor(head, Scope::full), placement_);
  return *alibi_leverage_;
}

CausalField HeadContext::causal_rows(std::size_t head, const Vector& means) const {
  const LogitForm& form = forms_[head];
  return causal_field(field_queries(group_.queries[head], form), field_keys(keys_, form, placement_), means);
}

RouteResult HeadContext::take_route(std::size_t head, const FieldRequest& request) {
  const LogitForm& form = forms_[head];
  const MatrixFRef& queries = group_.queries[head];
  if (request.route == Route::dense) {
    return dense_route(formed_field(dense_field(queries, group_.keys, form, request.scope)), request.scope,
                       coupling(head, request.scope), rounding(head));
  }
  if (request.route == Route::krylov && is_masked(request.scope)) {
    if (const Visible mask = mask_of(form, request.scope, placement_.length); mask != Visible{}) {
      return windowed_route(team_, field_queries(queries, form), field_keys(keys_, form, placement_), placement_, mask,
                            request.components, rounding(head));
    }
    return krylov_route(team_, field_queries(queries, form), field_keys(keys_, form, placement_), placement_,
                        request.components, rounding(head));
  }
  if (request.route != Route::factored || is_masked(request.scope) || !form.has_factors()) {
    throw std::invalid_argument("this route cannot measure this field");
  }
  const Rounding limits = rounding(head);
  RouteResult out = factored_field(team_, tall_factor(team_, query_rows(head, request.scope), placement_),
                                   key_factor(head, request.scope), placement_, limits.noise, limits.unresolved);
  out.ranks = team_.size();
  return out;
}

RowSample HeadContext::sample(std::size_t head, Scope scope) {
  return sample_rows(team_, sampled(head), forms_[head], scope, placement_, probes_);
}

const SampledLogits& HeadContext::sampled(std::size_t head) {
  if (!sampled_ || sampled_head_ != head) {
    sampled_ = sampled_logits(team_, group_.queries[head], group_.keys, forms_[head], placement_);
    sampled_head_ = head;
  }
  return *sampled_;
}

double HeadContext::attention_margin(std::size_t head, const AttentionRows& rows) {
  if (!finite(head)) return kUndefined;
  if (!largest_key_) largest_key_ = std::sqrt(group_.keys.cast<double>().rowwise().squaredNorm().maxCoeff());
  return kernels::attention_margin(rows, sampled(head), forms_[head], head_dim_, *largest_key_);
}

DirectProducts HeadContext::direct(std::size_t head, Scope scope) {
  return direct_products(team_, group_.queries[head], group_.keys, forms_[head], scope, placement_, probes_);
}

HeadStatistics FieldContext::measure(std::size_t head, const FieldRequest& request) {
  if (!finite(head)) return complete(head, request.scope, {});
  return complete(head, request.scope, take_route(head, request));
}

HeadStatistics FieldContext::complete(std::size_t head, Scope scope, RouteResult result) {
  const std::int64_t bound = rank_bound(forms_[head], scope, placement_.length, head_dim_);
  if (!finite(head)) return non_finite_statistics(bound);
  if (result.spectrum.energy == 0) {
    result.key_energy = result.query_energy = Vector::Zero(rows_);
    std::ranges::fill(result.sigma, 0.0);
  } else if (result.products.rows() != rows_) {
    throw std::invalid_argument("the result of the route lacks the products of its field with the probes");
  }
  HeadStatistics out;
  out.route = result.route;
  out.ranks = result.ranks;
  out.spectrum = result.spectrum;
  out.rank_bound = bound;
  out.singular_values.assign(result.sigma.begin(), result.sigma.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                              result.sigma.size(), kKeptComponents)));
  // If a query sees one key, its mean is that key's logit, so its row is zero; routes leave rounding errors there.
  for (Index r = 0; is_masked(scope) && r < result.query_energy.size(); ++r) {
    if (averaged_keys(forms_[head], scope, placement_.first_row + r, placement_.length).size() == 1) {
      result.query_energy[r] = 0;
    }
  }
  Vector all;
  out.keys = share_statistics(gather(result.key_energy, all), as_span(result.ascending_keys));
  const double by_keys = all.sum();
  out.key_profile = share_profile(as_span(all));
  out.queries = share_statistics(gather(result.query_energy, all), as_span(result.ascending_queries));
  out.query_profile = share_profile(as_span(all));
  out.coherence = coherence().statistics;
  certify(head, scope, by_keys, all.sum(), result, out);
  out.certificate.finite = statistics_finite(out);
  return out;
}

std::span<const double> FieldContext::gather(const Vector& own, Vector& all) const {
  all = Vector::Zero(placement_.length);
  all.segment(placement_.first_row, own.size()) = own;
  team_.sum(as_span(all));
  return as_span(all);
}

}  // namespace logitfield::kernels

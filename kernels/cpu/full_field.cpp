#include "kernels/cpu/full_field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include "kernels/cpu/attention_statistics.hpp"
#include "kernels/cpu/coherence.hpp"
#include "kernels/cpu/energies.hpp"
#include "kernels/cpu/gram.hpp"
#include "kernels/cpu/lapack.hpp"
#include "kernels/cpu/zero_sum.hpp"
#include "kernels/share_statistics.hpp"
#include "kernels/spectrum_statistics.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr Index kProbes = 4;

/// One head's queries and what is derived from them. E = left * diag(sigma) * right^T, thin, with
/// left = factor.basis * core.u and right = (key basis) * core.vt^T.
struct HeadFactors {
  const MatrixRef& queries;
  double norm;
  Matrix gram;
  ThinFactor factor;
  Svd core;
};

HeadFactors head_factors(const MatrixRef& queries, const KeyGeometry& geometry, double scale) {
  HeadFactors out{queries, queries.norm(), gram(queries), {}, {}};
  out.factor = thin_factor(queries, out.gram);
  out.core = svd(scale * out.factor.r * geometry.factor.r.transpose());
  return out;
}

/// Random Gaussian probes X [L, kProbes] of a context, and their products with the keys, which all heads of a KV head
/// share.
struct Probes {
  double norm = 0;
  /// (centred K)^T X by the direct operator, K^T X - kbar 1^T X; and (key basis)^T X.
  Matrix direct, basis;
};

Probes make_probes(const KeyGeometry& geometry) {
  std::mt19937_64 generator(0x10617f1e1dULL);  // the same for every head and run
  std::normal_distribution<double> normal;
  const Matrix x = Matrix::NullaryExpr(geometry.keys.rows(), kProbes, [&] { return normal(generator); });
  const Eigen::RowVectorXd mean = geometry.keys.colwise().mean();
  return {x.norm(), geometry.keys.transpose() * x - mean.transpose() * x.colwise().sum(),
          geometry.factor.basis.transpose() * x};
}

std::span<const double> as_span(const Vector& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

/// Certificate (2): the spectrum's E X beside the direct operator's, (E X)_i = s q_i . (K^T X - kbar 1^T X).
void probe_spectrum(const HeadFactors& head, const KeyGeometry& geometry, double scale, const Probes& probes,
                    Certificate& certificate) {
  const Matrix direct = scale * head.queries * probes.direct;
  const Vector sigma = Eigen::Map<const Vector>(head.core.sigma.data(), std::ssize(head.core.sigma));
  const Matrix rebuilt = head.factor.basis * (head.core.u * (sigma.asDiagonal() * (head.core.vt * probes.basis)));
  const double size = direct.norm();
  const double terms = static_cast<double>(head.queries.rows() + 16 * head.queries.cols());
  certificate.probe_residual = (direct - rebuilt).norm() / size;
  certificate.probe_bound = terms * kEpsilon * scale * head.norm * geometry.norm * probes.norm / size;
}

/// Certificate (1) and (5), whose arithmetic errs alike: quadratic forms of Gram matrices, summed.
void check_energies(const HeadFactors& head, const KeyGeometry& geometry, double scale, const Vector& key_energy,
                    HeadStatistics& out) {
  const double energy = out.spectrum.energy, route = key_energy.sum();
  const double terms = static_cast<double>(head.queries.rows() + 16 * head.queries.cols());
  const double product = scale * head.norm * geometry.centred_norm;
  out.certificate.energy_error = std::abs(energy - route) / energy;
  out.certificate.energy_bound = terms * kEpsilon * product * product / energy;
  const Vector claimed = key_energy / route * out.spectrum.stable_rank;
  out.certificate.delocalisation_excess = (claimed - geometry.leverage).maxCoeff();
  out.delocalisation_ratio = (claimed.array() / geometry.leverage.array().max(1e-300)).maxCoeff();
}

/// Values that are defined for every head; gap may be infinite, a zero field has no shares, zero keys no coherence.
bool statistics_finite(const HeadStatistics& s) {
  const double values[] = {s.spectrum.energy,     s.spectrum.effective_rank, s.spectrum.participation_ratio,
                           s.attention.max_logit, s.attention.entropy,       s.attention.sink_first};
  return std::all_of(std::begin(values), std::end(values), [](double v) { return std::isfinite(v); });
}

HeadStatistics context_statistics(const MatrixRef& queries, const KeyGeometry& geometry, double scale,
                                  const Probes& probes, const AttentionStatistics& attention) {
  const Index length = queries.rows(), width = queries.cols();
  const HeadFactors head = head_factors(queries, geometry, scale);
  const double noise =
      std::sqrt(static_cast<double>(std::max(length, width))) * kEpsilon * scale * head.norm * geometry.norm;
  HeadStatistics out;
  out.spectrum = spectrum_statistics(head.core.sigma, length, noise);
  out.rank_bound = std::min(width, length - 1);
  out.singular_values = head.core.sigma;
  out.coherence = geometry.coherence;
  out.attention = attention;
  out.certificate.rank = out.spectrum.rank;
  out.certificate.rank_bound = out.rank_bound;
  const ZeroSum zero_sum = measure_zero_sum(queries, geometry.keys, scale);
  out.certificate.zero_sum_residual = zero_sum.residual;
  out.certificate.zero_sum_margin = zero_sum.margin;

  Vector key_energy = Vector::Zero(length), query_energy = Vector::Zero(length);
  if (out.spectrum.energy > 0) {
    key_energy = energies(geometry.centred, head.gram, scale);
    query_energy = energies(queries, geometry.gram, scale);
    probe_spectrum(head, geometry, scale, probes, out.certificate);
    check_energies(head, geometry, scale, key_energy, out);
  } else {
    out.singular_values.assign(out.singular_values.size(), 0.0);
    out.delocalisation_ratio = std::numeric_limits<double>::quiet_NaN();
  }
  out.keys = share_statistics(as_span(key_energy));
  out.queries = share_statistics(as_span(query_energy));
  out.key_profile = share_profile(as_span(key_energy));
  out.query_profile = share_profile(as_span(query_energy));
  out.certificate.finite = statistics_finite(out);
  return out;
}

/// What is known of a head whose Q or K holds a NaN or an infinity: that it failed.
HeadStatistics non_finite_statistics(Index length, Index width) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  HeadStatistics out;
  out.spectrum = {nan, nan, -1, -1, -1, -1, -1, nan, nan, nan, nan, nan};
  out.rank_bound = std::min(width, length - 1);
  out.keys = out.queries = share_statistics({});
  out.coherence = {nan, nan, -1};
  out.attention = {nan, nan, nan};
  out.delocalisation_ratio = nan;
  out.certificate = {nan, nan, nan, nan, nan, nan, -1, out.rank_bound, nan, false};
  return out;
}

void check_shapes(std::span<const MatrixFRef> queries, const MatrixFRef& keys, std::span<const std::int64_t> contexts) {
  for (const MatrixFRef& q : queries) {
    if (q.rows() != keys.rows() || q.cols() != keys.cols()) {
      throw std::invalid_argument(
          fmt::format("queries are {} x {}, keys {} x {}", q.rows(), q.cols(), keys.rows(), keys.cols()));
    }
  }
  if (contexts.empty() || contexts.front() < 2 || contexts.back() > keys.rows() ||
      !std::is_sorted(contexts.begin(), contexts.end())) {
    throw std::invalid_argument(fmt::format("contexts must ascend from at least 2 to at most {}", keys.rows()));
  }
}

}  // namespace

std::vector<std::vector<HeadStatistics>> full_field_statistics(std::span<const MatrixFRef> queries,
                                                               const MatrixFRef& keys, double scale,
                                                               std::span<const std::int64_t> contexts) {
  check_shapes(queries, keys, contexts);
  const Matrix all_keys = keys.topRows(contexts.back()).cast<double>();
  std::vector<Matrix> all_queries;
  std::vector<std::vector<AttentionStatistics>> attention;
  for (const MatrixFRef& q : queries) {
    all_queries.push_back(q.topRows(contexts.back()).cast<double>());
    attention.push_back(attention_statistics(all_queries.back(), all_keys, scale, contexts));
  }

  std::vector<std::vector<HeadStatistics>> out(queries.size());
  for (std::size_t c = 0; c < contexts.size(); ++c) {
    const Index length = contexts[c];
    const auto context_keys = all_keys.topRows(length);
    const bool keys_finite = context_keys.allFinite();
    const KeyGeometry geometry = keys_finite ? key_geometry(context_keys) : KeyGeometry{};
    const Probes probes = keys_finite ? make_probes(geometry) : Probes{};
    for (std::size_t h = 0; h < queries.size(); ++h) {
      const auto context_queries = all_queries[h].topRows(length);
      out[h].push_back(keys_finite && context_queries.allFinite()
                           ? context_statistics(context_queries, geometry, scale, probes, attention[h][c])
                           : non_finite_statistics(length, keys.cols()));
    }
  }
  return out;
}

}  // namespace logitfield::kernels::cpu

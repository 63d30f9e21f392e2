#include "kernels/field/oracle.hpp"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/field/shares.hpp"
#include "kernels/field/spectrum.hpp"

namespace logitfield::kernels::oracle {
namespace {

struct Leverage {
  Vector values;
  Index rank = 0;
  double effective_rank = 0;
  double coherence() const {
    return static_cast<double>(values.size()) / static_cast<double>(rank) * values.maxCoeff();
  }
};

Leverage leverage(const Matrix& a) {
  const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> svd(a, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Vector& sigma = svd.singularValues();
  const double threshold = static_cast<double>(std::max(a.rows(), a.cols())) * kEpsilon * sigma[0];
  const Index rank = (sigma.array() > threshold).count();
  const double effective_rank = spectrum_statistics(as_span(sigma), std::max(a.rows(), a.cols()), 0).effective_rank;
  return {svd.matrixU().leftCols(rank).rowwise().squaredNorm(), rank, effective_rank};
}

AttentionStatistics attention(const Matrix& logits, const Visible& visible) {
  AttentionStatistics out{-std::numeric_limits<double>::infinity(), 0, 0};
  const Index length = logits.rows();
  for (Index i = 0; i < length; ++i) {
    const Index first = visible.first_key(i);
    double max = logits(i, first), total = 0;
    for (Index j = first; j <= i; ++j) max = std::max(max, logits(i, j));
    for (Index j = first; j <= i; ++j) total += std::exp(logits(i, j) - max);
    for (Index j = first; j <= i; ++j) {
      const double p = std::exp(logits(i, j) - max) / total;
      if (p > 0) out.entropy -= p * std::log(p) / static_cast<double>(length);
      if (j == 0) out.sink_first += p / static_cast<double>(length);
    }
    out.max_logit = std::max(out.max_logit, max);
  }
  return out;
}

double zero_sum_residual(const Matrix& field, Scope scope) {
  double worst = 0;
  for (Index i = 0; i < field.rows(); ++i) {
    const auto row = field.row(i).head(scope == Scope::full ? field.cols() : i + 1);
    const double absolute = row.cwiseAbs().sum();
    worst = std::max(worst, std::abs(row.sum()) / (absolute > 0 ? absolute : 1));
  }
  return worst;
}

}  // namespace

Matrix logits(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form) {
  Matrix out(queries.rows(), keys.rows());
  for (Index i = 0; i < out.rows(); ++i) {
    for (Index j = 0; j < out.cols(); ++j) {
      const double x = form.scale * queries.row(i).dot(keys.row(j)) + form.alibi_slope * static_cast<double>(j - i);
      out(i, j) = form.softcap ? *form.softcap * std::tanh(x / *form.softcap) : x;
    }
  }
  return out;
}

Matrix energy_field(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form, Scope scope) {
  Matrix field = logits(queries, keys, form);
  for (Index i = 0; i < field.rows(); ++i) {
    const Range seen = averaged_keys(form, scope, i, field.cols());
    const double mean = field.row(i).segment(seen.begin, seen.size()).sum() / static_cast<double>(seen.size());
    for (Index j = 0; j < field.cols(); ++j) {
      const bool masked = is_masked(scope) && (j < seen.begin || j >= seen.end);
      field(i, j) = masked ? 0 : field(i, j) - mean;
    }
  }
  return field;
}

HeadStatistics field_statistics(const MatrixRef& queries, const MatrixRef& keys, const LogitForm& form, Scope scope) {
  const Matrix field = energy_field(queries, keys, form, scope);
  const Vector sigma = Eigen::JacobiSVD<Matrix>(field).singularValues();
  const Vector key_energy = field.colwise().squaredNorm(), query_energy = field.rowwise().squaredNorm();
  const Leverage centred = leverage(keys.rowwise() - keys.colwise().mean());

  HeadStatistics out;
  out.spectrum = spectrum_statistics(as_span(sigma), field.rows(), 0);
  out.singular_values.assign(sigma.begin(), sigma.end());
  out.keys = share_statistics(as_span(key_energy));
  out.queries = share_statistics(as_span(query_energy));
  out.key_profile = share_profile(as_span(key_energy));
  out.query_profile = share_profile(as_span(query_energy));
  out.coherence = {centred.coherence(), leverage(keys).coherence(), centred.rank, centred.effective_rank};
  if (scope == Scope::full && form.has_factors()) {
    Matrix extended(keys.rows(), keys.cols() + 1);
    extended << keys, Vector::LinSpaced(keys.rows(), 0, static_cast<double>(keys.rows() - 1));
    const Matrix used = form.alibi_slope != 0 ? extended : Matrix(keys);
    const Vector allowed = leverage(used.rowwise() - used.colwise().mean()).values;
    out.delocalisation_ratio =
        (key_energy.array() / key_energy.sum() * out.spectrum.stable_rank / allowed.array().max(1e-300)).maxCoeff();
  }
  out.attention = attention(logits(queries, keys, form), form.visible);
  out.certificate.zero_sum_residual = zero_sum_residual(field, scope);
  return out;
}

}  // namespace logitfield::kernels::oracle

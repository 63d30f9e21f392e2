#include "kernels/oracle.hpp"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/share_statistics.hpp"
#include "kernels/spectrum_statistics.hpp"

namespace logitfield::kernels::oracle {
namespace {

struct Leverage {
  Vector values;
  Index rank = 0;
  double coherence() const {
    return static_cast<double>(values.size()) / static_cast<double>(rank) * values.maxCoeff();
  }
};

Leverage leverage(const Matrix& a) {
  const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> svd(a, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Vector& sigma = svd.singularValues();
  const double threshold =
      static_cast<double>(std::max(a.rows(), a.cols())) * std::numeric_limits<double>::epsilon() * sigma[0];
  const Index rank = (sigma.array() > threshold).count();
  return {svd.matrixU().leftCols(rank).rowwise().squaredNorm(), rank};
}

AttentionStatistics attention(const Matrix& logits) {
  AttentionStatistics out{-std::numeric_limits<double>::infinity(), 0, 0};
  const Index length = logits.rows();
  for (Index i = 0; i < length; ++i) {
    double max = logits(i, 0), total = 0;
    for (Index j = 0; j <= i; ++j) max = std::max(max, logits(i, j));
    for (Index j = 0; j <= i; ++j) total += std::exp(logits(i, j) - max);
    for (Index j = 0; j <= i; ++j) {
      const double p = std::exp(logits(i, j) - max) / total;
      if (p > 0) out.entropy -= p * std::log(p) / static_cast<double>(length);
      if (j == 0) out.sink_first += p / static_cast<double>(length);
    }
    out.max_logit = std::max(out.max_logit, max);
  }
  return out;
}

double zero_sum_residual(const Matrix& field) {
  double worst = 0;
  for (Index i = 0; i < field.rows(); ++i) {
    const double absolute = field.row(i).cwiseAbs().sum();
    worst = std::max(worst, std::abs(field.row(i).sum()) / (absolute > 0 ? absolute : 1));
  }
  return worst;
}

std::span<const double> as_span(const Vector& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

}  // namespace

Matrix full_energy_field(const MatrixRef& queries, const MatrixRef& keys, double scale) {
  const Matrix logits = scale * queries * keys.transpose();
  return logits.colwise() - logits.rowwise().mean();
}

HeadStatistics full_field(const MatrixRef& queries, const MatrixRef& keys, double scale) {
  const Matrix field = full_energy_field(queries, keys, scale);
  const Vector sigma = Eigen::JacobiSVD<Matrix>(field).singularValues();
  const Vector key_energy = field.colwise().squaredNorm(), query_energy = field.rowwise().squaredNorm();
  const Leverage centred = leverage(keys.rowwise() - keys.colwise().mean());

  HeadStatistics out;
  out.spectrum = spectrum_statistics(as_span(sigma), field.rows(), 0);
  out.rank_bound = std::min(queries.cols(), queries.rows() - 1);
  out.singular_values.assign(sigma.begin(), sigma.begin() + std::min(queries.cols(), queries.rows()));
  out.keys = share_statistics(as_span(key_energy));
  out.queries = share_statistics(as_span(query_energy));
  out.key_profile = share_profile(as_span(key_energy));
  out.query_profile = share_profile(as_span(query_energy));
  out.coherence = {centred.coherence(), leverage(keys).coherence(), centred.rank};
  out.delocalisation_ratio =
      (key_energy.array() / key_energy.sum() * out.spectrum.stable_rank / centred.values.array().max(1e-300))
          .maxCoeff();
  out.attention = attention(scale * queries * keys.transpose());
  out.certificate.zero_sum_residual = zero_sum_residual(field);
  return out;
}

}  // namespace logitfield::kernels::oracle

#include "kernels/field/row_sample.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

constexpr Index kMostRows = 64, kLeastRows = 4, kMostLogits = Index{1} << 20;

/// The sampled queries [rows, d], on every rank.
Matrix sampled_queries(const Team& team, const MatrixFRef& queries, const std::vector<Index>& positions,
                       Index first_row) {
  Matrix out = Matrix::Zero(std::ssize(positions), queries.cols());
  for (Index r = 0; r < out.rows(); ++r) {
    const Index own = positions[r] - first_row;
    if (own >= 0 && own < queries.rows()) out.row(r) = queries.row(own).cast<double>();
  }
  sum_over(team, out);
  return out;
}

/// Logits [rows, n] of the queries at these positions and this rank's keys.
Matrix formed_logits(const Matrix& queries, const MatrixFRef& keys, const LogitForm& form,
                     const std::vector<Index>& positions, Index first_row) {
  Matrix out(queries.rows(), keys.rows()), tile;
  const FactorRows all(keys);
  for_tiles(keys.rows(), kTileRows, [&](Index begin, Index count) {
    all.tile(begin, count, tile);
    out.middleCols(begin, count).noalias() = form.scale * queries * tile.transpose();
  });
  if (form.alibi_slope == 0 && !form.softcap) return out;
  for (Index r = 0; r < out.rows(); ++r) {
    for (Index c = 0; c < out.cols(); ++c) {
      out(r, c) = form.cap(out(r, c) + form.alibi_slope * static_cast<double>(first_row + c - positions[r]));
    }
  }
  return out;
}

}  // namespace

std::vector<Index> sampled_positions(Index length) {
  const Index rows = std::min(length, std::clamp(kMostLogits / length, kLeastRows, kMostRows));
  std::vector<Index> out;
  for (Index r = 0; r < rows; ++r) out.push_back((r + 1) * length / rows - 1);
  return out;
}

SampledLogits sampled_logits(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form,
                             const Placement& placement) {
  SampledLogits out;
  out.positions = sampled_positions(placement.length);
  const Matrix sampled = sampled_queries(team, queries, out.positions, placement.first_row);
  out.squared_queries = sampled.rowwise().squaredNorm();
  out.logits = formed_logits(sampled, keys, form, out.positions, placement.first_row);
  return out;
}

RowSample sample_rows(const Team& team, const SampledLogits& sampled, const LogitForm& form, Scope scope,
                      const Placement& placement, const Matrix& probes) {
  RowSample out;
  out.positions = sampled.positions;
  const Index rows = std::ssize(out.positions), own_count = sampled.logits.cols();
  out.query_norms = form.scale * form.scale * sampled.squared_queries.sum() +
                    static_cast<double>(rows) * form.alibi_slope * form.alibi_slope;
  Matrix field = sampled.logits;

  // The keys that the mean of row r is taken over, and those of them that this rank holds.
  const auto all_keys = [&](Index r) { return averaged_keys(form, scope, out.positions[r], placement.length); };
  const auto own_keys = [&](Index r) {
    const Range all = all_keys(r);
    const auto own = [&](Index j) { return std::clamp<Index>(j - placement.first_row, 0, own_count); };
    return Range{own(all.begin), own(all.end)};
  };
  Matrix means(rows, 1), sums = Matrix::Zero(rows, kRowSums);
  for (Index r = 0; r < rows; ++r) {
    const Range own = own_keys(r);
    means(r, 0) = field.row(r).segment(own.begin, own.size()).sum() / static_cast<double>(all_keys(r).size());
  }
  sum_over(team, means);
  for (Index r = 0; r < rows; ++r) {
    field.row(r).array() -= means(r, 0);
    const Range own = own_keys(r);
    const auto seen = field.row(r).segment(own.begin, own.size());
    sums(r, kTotal) = seen.sum();
    sums(r, kAbsolute) = seen.cwiseAbs().sum();
    if (is_masked(scope)) {
      field.row(r).head(own.begin).setZero();
      field.row(r).tail(own_count - own.end).setZero();
    }
    sums(r, kSquares) = field.row(r).squaredNorm();
  }
  out.products = field * probes;
  sum_over(team, sums);
  sum_over(team, out.products);
  judge_rows(form, scope, placement.length, means, sums, out);
  return out;
}

// Rounding bound, with n terms and unit round-off u: the mean errs by at most n u mean|S| (times n keys; mean|S| <=
// |mean S| + mean|E|), the sum by n u sum|E|, each subtraction by u |E|.
void judge_rows(const LogitForm& form, Scope scope, Index length, const Matrix& means, const Matrix& sums,
                RowSample& out) {
  out.energies = sums.col(kSquares);
  const double unit = kEpsilon / 2;
  for (Index r = 0; r < sums.rows(); ++r) {
    const double n = static_cast<double>(averaged_keys(form, scope, out.positions[r], length).size());
    const double total = std::abs(sums(r, kTotal)), absolute = sums(r, kAbsolute);
    if (total == 0) continue;
    out.residual = larger(total / absolute, out.residual);
    out.margin = larger(total / (unit * (n * n * std::abs(means(r, 0)) + (2 * n + 1) * absolute)), out.margin);
  }
}

}  // namespace logitfield::kernels

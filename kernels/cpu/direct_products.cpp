#include "kernels/cpu/direct_products.hpp"

#include <algorithm>
#include <stdexcept>

#include "kernels/cpu/factor_rows.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr Index kMostKeys = 16;

std::vector<Index> some_keys(Index length) {
  const Index count = std::min(length, kMostKeys);
  std::vector<Index> out;
  for (Index r = 0; r < count; ++r) out.push_back(r * length / count);
  return out;
}

/// Rows [scale x, last]: with a column for positions, the logit of query i and key j is a product of two, less slope i.
Matrix extended(const MatrixFRef& rows, Index begin, Index count, double scale) {
  Matrix out(count, rows.cols() + 1);
  out.leftCols(rows.cols()) = scale * rows.middleRows(begin, count).cast<double>();
  return out;
}
Matrix extended_queries(const MatrixFRef& queries, const LogitForm& form, Index begin, Index count) {
  Matrix out = extended(queries, begin, count, form.scale);
  out.rightCols(1).setConstant(form.alibi_slope);
  return out;
}
Matrix extended_keys(const MatrixFRef& keys, Index first_row, Index begin, Index count) {
  Matrix out = extended(keys, begin, count, 1);
  for (Index r = 0; r < count; ++r) out(r, keys.cols()) = static_cast<double>(first_row + begin + r);
  return out;
}

/// sum_j z_j and sum_j z_j x_j over some keys z_j [1 + p, d + 1], and of 1 and x_j alone.
struct KeySums {
  Matrix keys;
  Vector weights;

  KeySums(Index probes, Index width) : keys(Matrix::Zero(1 + probes, width)), weights(Vector::Zero(1 + probes)) {}
  void add(const Eigen::RowVectorXd& key, const Eigen::RowVectorXd& probe) {
    keys.row(0) += key;
    keys.bottomRows(probe.size()).noalias() += probe.transpose() * key;
    weights[0] += 1;
    weights.tail(probe.size()) += probe;
  }
  void add(const MatrixFRef& rows, Index first_row, const Matrix& probes) {
    for_tiles(rows.rows(), kTileRows, [&](Index begin, Index count) {
      const Matrix tile = extended_keys(rows, first_row, begin, count);
      for (Index r = 0; r < count; ++r) add(tile.row(r), probes.row(begin + r));
    });
  }
  /// sum_j S_ij and sum_j S_ij x_j for the query at position i.
  Vector logits(const Eigen::RowVectorXd& query, double i, double slope) const {
    return keys * query.transpose() - slope * i * weights;
  }
  template <class Combine>
  void combine(Combine&& over_ranks) {
    over_ranks({keys.data(), static_cast<std::size_t>(keys.size())});
    over_ranks({weights.data(), static_cast<std::size_t>(weights.size())});
  }
};

/// The sampled keys [c, d + 1] on every rank.
Matrix sampled_keys(const Team& team, const MatrixFRef& keys, const Placement& placement,
                    const std::vector<Index>& positions) {
  Matrix out = Matrix::Zero(std::ssize(positions), keys.cols() + 1);
  for (Index c = 0; c < out.rows(); ++c) {
    const Index own = positions[c] - placement.first_row;
    if (own >= 0 && own < keys.rows()) out.row(c) = extended_keys(keys, placement.first_row, own, 1);
  }
  sum_over(team, out);
  return out;
}

void add_key_energies(const Eigen::RowVectorXd& logits, double mean, Scope scope, Index i, DirectProducts& out) {
  for (std::size_t c = 0; c < out.keys.size(); ++c) {
    if (scope == Scope::causal && out.keys[c] > i) break;
    const double e = logits[static_cast<Index>(c)] - mean;
    out.key_energies[static_cast<Index>(c)] += e * e;
  }
}

void add_factored(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form,
                  Scope scope, const Placement& placement, const Matrix& probes, DirectProducts& out) {
  const Index first = placement.first_row;
  KeySums all(probes.cols(), keys.cols() + 1), seen = all;
  if (scope != Scope::causal || team.size() > 1) all.add(keys, first, probes);
  seen = all;
  seen.combine([&](std::span<double> v) { team.sum_before(v); });
  all.combine([&](std::span<double> v) { team.sum(v); });
  const Matrix sampled = sampled_keys(team, keys, placement, out.keys);
  for_tiles(queries.rows(), kTileRows, [&](Index begin, Index count) {
    const Matrix q = extended_queries(queries, form, begin, count), k = extended_keys(keys, first, begin, count);
    const Matrix logits = q * sampled.transpose();
    for (Index r = 0; r < count; ++r) {
      const auto i = static_cast<double>(first + begin + r);
      const Eigen::RowVectorXd query = q.row(r);
      seen.add(k.row(r), probes.row(begin + r));
      const KeySums& averaged = scope == Scope::full ? all : seen;
      const KeySums& summed = scope == Scope::causal ? seen : all;
      const double mean = averaged.logits(query, i, form.alibi_slope)[0] / averaged.weights[0];
      const Vector sums = summed.logits(query, i, form.alibi_slope) - mean * summed.weights;
      out.products.row(begin + r) = sums.tail(probes.cols()).transpose();
      add_key_energies(logits.row(r).array() - form.alibi_slope * i, mean, scope, first + begin + r, out);
    }
  });
}

/// Logit by logit: a cap leaves no sums to run.
void add_capped(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope,
                const Matrix& probes, DirectProducts& out) {
  const Index length = keys.rows();
  const Matrix all = extended_keys(keys, 0, 0, length);
  for_tiles(queries.rows(), kTileRows, [&](Index begin, Index count) {
    Matrix logits = extended_queries(queries, form, begin, count) * all.transpose();
    for (Index r = 0; r < count; ++r) {
      const Index i = begin + r, averaged = scope == Scope::full ? length : i + 1;
      const Index summed = scope == Scope::causal ? i + 1 : length;
      auto row = logits.row(r);
      row = row.unaryExpr([&](double x) { return form.cap(x - form.alibi_slope * static_cast<double>(i)); });
      const double mean = row.head(averaged).mean();
      out.products.row(i).noalias() = (row.head(summed).array() - mean).matrix() * probes.topRows(summed);
      Eigen::RowVectorXd sampled(std::ssize(out.keys));
      for (std::size_t c = 0; c < out.keys.size(); ++c) sampled[static_cast<Index>(c)] = row[out.keys[c]];
      add_key_energies(sampled, mean, scope, i, out);
    }
  });
}

}  // namespace

DirectProducts direct_products(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys,
                               const LogitForm& form, Scope scope, const Placement& placement, const Matrix& probes) {
  DirectProducts out{Matrix(queries.rows(), probes.cols()), some_keys(placement.length), {}};
  out.key_energies = Vector::Zero(std::ssize(out.keys));
  if (form.has_factors()) {
    add_factored(team, queries, keys, form, scope, placement, probes, out);
  } else if (team.size() == 1) {
    add_capped(queries, keys, form, scope, probes, out);
  } else {
    throw std::invalid_argument("capped logits of a head whose rows ranks share");
  }
  team.sum({out.key_energies.data(), static_cast<std::size_t>(out.key_energies.size())});
  return out;
}

}  // namespace logitfield::kernels::cpu

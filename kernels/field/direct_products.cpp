#include "kernels/field/direct_products.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "kernels/field/factor_rows.hpp"
#include "kernels/field/window_pass.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

using Row = Eigen::Ref<const Eigen::RowVectorXd>;

/// Rows [scale x, last]. With a column for positions, the logit of query i and key j is the product of two such rows,
/// minus slope i.
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
/// Subtracts `origin`, which shifts all logits of a row equally. The difference is exact, because both are float32.
Matrix extended_keys(const MatrixFRef& keys, const Row& origin, Index first_row, Index begin, Index count) {
  Matrix out = extended(keys, begin, count, 1);
  out.leftCols(keys.cols()).rowwise() -= origin;
  for (Index r = 0; r < count; ++r) out(r, keys.cols()) = static_cast<double>(first_row + begin + r);
  return out;
}

/// sum_j z_j and sum_j z_j x_j over some keys z_j [1 + p, d + 1], and of 1 and x_j alone.
struct KeySums {
  Matrix keys;
  Vector weights;

  KeySums(Index probes, Index width) : keys(Matrix::Zero(1 + probes, width)), weights(Vector::Zero(1 + probes)) {}
  /// `times` is 1, or -1 for a key that leaves the window.
  void add(const Row& key, const Row& probe, double times = 1) {
    keys.row(0) += times * key;
    keys.bottomRows(probe.size()).noalias() += times * probe.transpose() * key;
    weights[0] += times;
    weights.tail(probe.size()) += times * probe;
  }
  /// sum_j S_ij and sum_j S_ij x_j for the query at position i.
  Vector logits(const Row& query, double i, double slope) const {
    return keys * query.transpose() - slope * i * weights;
  }
  template <class Combine>
  void combine(Combine&& over_ranks) {
    over_ranks(as_span(keys));
    over_ranks(as_span(weights));
  }
};

/// Keys and probes of this rank's rows, and of the earlier rows that their window reaches.
class KeyRows {
 public:
  KeyRows(const Team& team, const MatrixFRef& keys, const Row& origin, const Placement& placement, const Matrix& probes,
          const Visible& mask)
      : keys_(keys),
        origin_(origin),
        probes_(probes),
        first_(placement.first_row),
        around_(team, {true, mask, placement.length}, {first_, first_ + keys.rows()}) {
    halo_ = around_.fetch(keys.cols() + 1 + probes.cols(), [&](Range positions, Matrix& out) {
      out.resize(positions.size(), keys.cols() + 1 + probes.cols());
      for (Index j = positions.begin; j < positions.end; ++j) out.row(j - positions.begin) << key(j), probe(j);
    });
  }
  Eigen::RowVectorXd key(Index position) const {
    if (position < first_) return halo_.row(position - around_.halo().begin).head(keys_.cols() + 1);
    return extended_keys(keys_, origin_, first_, position - first_, 1);
  }
  Eigen::RowVectorXd probe(Index position) const {
    if (position < first_) return halo_.row(position - around_.halo().begin).tail(probes_.cols());
    return probes_.row(position - first_);
  }

 private:
  const MatrixFRef& keys_;
  const Eigen::RowVectorXd origin_;
  const Matrix& probes_;
  const Index first_;
  const Surroundings around_;
  Matrix halo_;
};

/// The sampled keys [c, d + 1], uncentred, on every rank; the first is at position 0.
Matrix sampled_keys(const Team& team, const MatrixFRef& keys, const Placement& placement,
                    const std::vector<Index>& positions) {
  Matrix out = Matrix::Zero(std::ssize(positions), keys.cols() + 1);
  for (Index c = 0; c < out.rows(); ++c) {
    const Index own = positions[c] - placement.first_row;
    if (own >= 0 && own < keys.rows()) {
      out.row(c) = extended_keys(keys, Eigen::RowVectorXd::Zero(keys.cols()), placement.first_row, own, 1);
    }
  }
  sum_over(team, out);
  return out;
}

/// Adds the energies of query i, whose row has this mean over the keys `averaged`.
void add_key_energies(const Eigen::RowVectorXd& logits, double mean, Scope scope, const Range& averaged,
                      DirectProducts& out) {
  for (std::size_t c = 0; c < out.keys.size(); ++c) {
    if (is_masked(scope) && (out.keys[c] < averaged.begin || out.keys[c] >= averaged.end)) continue;
    const double e = logits[static_cast<Index>(c)] - mean;
    out.key_energies[static_cast<Index>(c)] += e * e;
  }
}

void add_factored(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form,
                  Scope scope, const Placement& placement, const Matrix& probes, DirectProducts& out) {
  const Index first = placement.first_row, length = placement.length;
  const Visible mask = mask_of(form, scope, length);
  Matrix sampled = sampled_keys(team, keys, placement, out.keys);
  // Keys are represented by their differences; a common mean would hide these in rounding.
  const Eigen::RowVectorXd origin = sampled.row(0).head(keys.cols());
  sampled.leftCols(keys.cols()).rowwise() -= origin;
  const bool masked = mask != Visible{};
  std::optional<KeyRows> rows;  // for keys that leave a window
  if (masked) rows.emplace(team, keys, origin, placement, probes, mask);
  KeySums all(probes.cols(), keys.cols() + 1), seen = all;
  if (!is_masked(scope) || (team.size() > 1 && !masked)) {
    for_tiles(keys.rows(), kTileRows, [&](Index begin, Index count) {
      const Matrix tile = extended_keys(keys, origin, first, begin, count);
      for (Index r = 0; r < count; ++r) all.add(tile.row(r), probes.row(begin + r));
    });
  }
  // The first key that this rank's first query sees, possibly before this rank's own keys.
  Index leaving = mask.first_key(first);
  if (masked) {
    for (Index j = leaving; queries.rows() > 0 && j < first; ++j) seen.add(rows->key(j), rows->probe(j));
  } else {
    seen = all;
    seen.combine([&](std::span<double> v) { team.sum_before(v); });
  }
  all.combine([&](std::span<double> v) { team.sum(v); });
  for_tiles(queries.rows(), kTileRows, [&](Index begin, Index count) {
    const Matrix q = extended_queries(queries, form, begin, count),
                 k = extended_keys(keys, origin, first, begin, count);
    const Matrix logits = q * sampled.transpose();
    for (Index r = 0; r < count; ++r) {
      const Index position = first + begin + r;
      const auto i = static_cast<double>(position);
      const Row query = q.row(r);
      seen.add(k.row(r), probes.row(begin + r));
      for (; leaving < mask.first_key(position); ++leaving) seen.add(rows->key(leaving), rows->probe(leaving), -1);
      const KeySums& averaged = scope == Scope::full ? all : seen;
      const KeySums& summed = is_masked(scope) ? seen : all;
      const double mean = averaged.logits(query, i, form.alibi_slope)[0] / averaged.weights[0];
      const Vector sums = summed.logits(query, i, form.alibi_slope) - mean * summed.weights;
      out.products.row(begin + r) = sums.tail(probes.cols()).transpose();
      add_key_energies(logits.row(r).array() - form.alibi_slope * i, mean, scope,
                       averaged_keys(form, scope, position, length), out);
    }
  });
}

/// Adds logit by logit: with a cap there are no running sums.
void add_capped(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope,
                const Matrix& probes, DirectProducts& out) {
  const Index length = keys.rows();
  const Matrix all = extended_keys(keys, Eigen::RowVectorXd::Zero(keys.cols()), 0, 0, length);
  for_tiles(queries.rows(), kTileRows, [&](Index begin, Index count) {
    Matrix logits = extended_queries(queries, form, begin, count) * all.transpose();
    for (Index r = 0; r < count; ++r) {
      const Index i = begin + r;
      const Range averaged = averaged_keys(form, scope, i, length),
                  summed = is_masked(scope) ? averaged : Range{0, length};
      auto row = logits.row(r);
      row = row.unaryExpr([&](double x) { return form.cap(x - form.alibi_slope * static_cast<double>(i)); });
      const double mean = row.segment(averaged.begin, averaged.size()).mean();
      out.products.row(i).noalias() = (row.segment(summed.begin, summed.size()).array() - mean).matrix() *
                                      probes.middleRows(summed.begin, summed.size());
      Eigen::RowVectorXd sampled(std::ssize(out.keys));
      for (std::size_t c = 0; c < out.keys.size(); ++c) sampled[static_cast<Index>(c)] = row[out.keys[c]];
      add_key_energies(sampled, mean, scope, averaged, out);
    }
  });
}

}  // namespace

std::vector<Index> some_keys(Index length) {
  const Index count = std::min(length, kMostKeys);
  std::vector<Index> out;
  for (Index r = 0; r < count; ++r) out.push_back(r * length / count);
  return out;
}

DirectProducts direct_products(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys,
                               const LogitForm& form, Scope scope, const Placement& placement, const Matrix& probes) {
  DirectProducts out{Matrix(queries.rows(), probes.cols()), some_keys(placement.length), {}};
  out.key_energies = Vector::Zero(std::ssize(out.keys));
  if (form.has_factors()) {
    add_factored(team, queries, keys, form, scope, placement, probes, out);
  } else if (team.size() == 1) {
    add_capped(queries, keys, form, scope, probes, out);
  } else {
    throw std::invalid_argument("the rows of a head with capped logits must not be shared by several ranks");
  }
  team.sum(as_span(out.key_energies));
  return out;
}

}  // namespace logitfield::kernels

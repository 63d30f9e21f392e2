#include "kernels/cpu/attention.hpp"

#include <algorithm>
#include <limits>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr Index kQueryTile = 128, kKeyTile = 256;
constexpr float kMasked = -std::numeric_limits<float>::infinity();
/// exp of this number is negligible beside the weight 1 of the largest logit. Smaller logits would give denormal
/// numbers, which processors compute slowly.
constexpr float kNegligible = -80;

/// Sets masked logits to minus infinity; tile(r, c) is query i0 + r on key j0 + c.
void mask(MatrixF& tile, Index i0, Index j0, const Visible& visible) {
  for (Index r = 0; r < tile.rows(); ++r) {
    const Index query = i0 + r, columns = tile.cols();
    const Index first = std::clamp<Index>(visible.first_key(query) - j0, 0, columns);
    const Index last = std::clamp<Index>(query + 1 - j0, 0, columns);
    tile.row(r).head(first).setConstant(kMasked);
    tile.row(r).tail(columns - last).setConstant(kMasked);
  }
}

/// Unnormalised softmax over the keys seen so far: the largest logit and the weight of key 0. Sums over keys of the
/// weights exp(logit - max), of weight (logit - max), and of weighted values.
struct OnlineSoftmax {
  VectorF max, sum, product, first;
  MatrixF weighted, added;

  OnlineSoftmax(Index rows, Index value_dim)
      : max(VectorF::Constant(rows, kMasked)),
        sum(VectorF::Zero(rows)),
        product(VectorF::Zero(rows)),
        first(VectorF::Zero(rows)),
        weighted(MatrixF::Zero(rows, value_dim)) {}

  /// Adds a tile of logits (overwritten by their weights) of the keys from `first_key` on, and the values of its keys.
  template <class Rows>
  void add(MatrixF& tile, Index first_key, const Rows& values) {
    for (Index r = 0; r < tile.rows(); ++r) {
      const double largest = static_cast<double>(tile.row(r).maxCoeff<Eigen::PropagateNaN>());
      const auto new_max = static_cast<float>(larger(static_cast<double>(max[r]), largest));
      if (new_max == kMasked) {  // all keys up to here are masked
        tile.row(r).setZero();
        continue;
      }
      below = (tile.row(r).array() - new_max).max(kNegligible);  // a NaN stays: it compares as not less
      tile.row(r) = below.exp();
      if (sum[r] == 0) {
        if (first_key == 0) first[r] = tile(r, 0);
      } else if (new_max > max[r]) {
        const float lowered = max[r] - new_max, rescale = std::exp(lowered);
        product[r] = rescale * (product[r] + std::max(lowered, kNegligible) * sum[r]);
        sum[r] *= rescale;
        first[r] *= rescale;
        weighted.row(r) *= rescale;
      }
      sum[r] += tile.row(r).sum();
      product[r] += (tile.row(r).array() * below).sum();
      max[r] = new_max;
    }
    multiply(tile.cast<typename Rows::Scalar>(), values, added);
    weighted += added;
  }

  /// Adds a member of the softmax without a value. Its logit may exceed all others, so `max` may no longer be the
  /// reference of the sums: it stays the largest logit of a key.
  void add_sink(float logit) {
    if (logit == kMasked) return;
    for (Index r = 0; r < sum.size(); ++r) {
      const auto reference = static_cast<float>(larger(static_cast<double>(max[r]), static_cast<double>(logit)));
      const float lowered = std::max(max[r] - reference, kNegligible), rescale = std::exp(lowered);
      const float left = std::max(logit - reference, kNegligible), weight = std::exp(left);
      product[r] = rescale * (product[r] + lowered * sum[r]) + weight * left;
      sum[r] = rescale * sum[r] + weight;
      first[r] *= rescale;
      weighted.row(r) *= rescale;
    }
  }

  /// Sets the statistics of all rows, which start at row `begin` of a head.
  void describe(Index begin, const Visible& visible, RowAttention& rows) const {
    const Index count = sum.size();
    rows.max_logit.segment(begin, count) = max;
    rows.entropy.segment(begin, count) = sum.array().log() - product.array() / sum.array();
    rows.sink.segment(begin, count) = first.cwiseQuotient(sum);
    for (Index r = 0; r < count; ++r) {
      if (visible.first_key(begin + r) > 0) rows.sink[begin + r] = 0;
    }
  }

 private:
  Eigen::Array<float, 1, Eigen::Dynamic> below;
};

/// Turns products into logits; tile(r, c) is query i0 + r on key j0 + c.
void finish_logits(const LogitForm& form, MatrixF& tile, Index i0, Index j0) {
  tile *= static_cast<float>(form.scale);
  if (form.alibi_slope != 0) {
    for (Index r = 0; r < tile.rows(); ++r) {
      for (Index c = 0; c < tile.cols(); ++c) {
        tile(r, c) += static_cast<float>(form.alibi_slope * static_cast<double>(j0 + c - i0 - r));
      }
    }
  }
  if (form.softcap) {
    const float cap = static_cast<float>(*form.softcap);
    tile = (tile.array() / cap).tanh() * cap;
  }
}

/// Rows: MatrixFRef or MatrixBRef.
template <class Rows>
void attend(const Rows& queries, const Rows& keys, const Rows& values, const LogitForm& form,
            Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>>& out, RowAttention* described) {
  const Index length = queries.rows();
  if (described) *described = {VectorF(length), VectorF(length), VectorF(length)};
  MatrixF tile;
  for (Index i0 = 0; i0 < length; i0 += kQueryTile) {
    const Index rows = std::min(kQueryTile, length - i0), end = i0 + rows;
    OnlineSoftmax softmax(rows, values.cols());
    const Index first_key = form.visible.first_key(i0), last_first = form.visible.first_key(end - 1);
    for (Index j0 = first_key / kKeyTile * kKeyTile; j0 < end; j0 += kKeyTile) {
      const Index columns = std::min(kKeyTile, end - j0);
      multiply_transposed(queries.middleRows(i0, rows), keys.middleRows(j0, columns), tile);
      finish_logits(form, tile, i0, j0);
      if (j0 + columns > i0 || j0 < last_first) mask(tile, i0, j0, form.visible);
      softmax.add(tile, j0, Rows(values.middleRows(j0, columns)));
    }
    softmax.add_sink(static_cast<float>(form.sink));
    out.middleRows(i0, rows) = softmax.sum.cwiseInverse().asDiagonal() * softmax.weighted;
    if (described) softmax.describe(i0, form.visible, *described);
  }
}

}  // namespace

void causal_attention(const MatrixFRef& queries, const MatrixFRef& keys, const MatrixFRef& values,
                      const LogitForm& form, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> out, RowAttention* rows) {
  attend(queries, keys, values, form, out, rows);
}

void causal_attention(const MatrixBRef& queries, const MatrixBRef& keys, const MatrixBRef& values,
                      const LogitForm& form, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> out, RowAttention* rows) {
  attend(queries, keys, values, form, out, rows);
}

}  // namespace logitfield::kernels::cpu

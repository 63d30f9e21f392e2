#include "kernels/cpu/block.hpp"

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/experts.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/norm.hpp"
#include "kernels/cpu/projections.hpp"
#include "kernels/cpu/rotary.hpp"
#include "kernels/field/attention_statistics.hpp"

namespace logitfield::kernels::cpu {
namespace {

void rotate_heads(const BlockShape& shape, Index length, Projected& heads) {
  if (!shape.rotary) return;
  const RotaryTable table = rotary_table(*shape.rotary, length);
  for (MatrixF* all : {&heads.queries, &heads.keys}) {
    for (Index first = 0; first < all->rows(); first += length) rotate(table, all->middleRows(first, length));
  }
}

void clip(float limit, Projected& heads) {
  for (MatrixF* all : {&heads.queries, &heads.keys, &heads.values}) *all = all->cwiseMax(-limit).cwiseMin(limit);
}

/// Returns the heads' weighted values [L, num_heads value_dim], and the softmax statistics of their rows.
template <class Scalar>
MatrixF mix(const BlockShape& shape, Index length, const RowMajor<Scalar>& queries, const RowMajor<Scalar>& keys,
            const RowMajor<Scalar>& values, std::vector<RowAttention>& attention) {
  if (length <= kLongestAttention) attention.resize(shape.num_heads);
  const Index group = shape.num_heads / shape.num_kv_heads, v = shape.value_dim;
  MatrixF mixed(length, shape.num_heads * v);
  for (Index h = 0; h < shape.num_heads; ++h) {
    const Index kv = h / group;
    causal_attention(queries.middleRows(h * length, length), keys.middleRows(kv * length, length),
                     values.middleRows(kv * length, length), shape.forms[h], mixed.middleCols(h * v, v),
                     attention.empty() ? nullptr : &attention[h]);
  }
  return mixed;
}

/// Does the same for heads rounded to bfloat16. Queries and keys stay rounded, as they enter the dot product.
MatrixF mix_rounded(const BlockShape& shape, Index length, Projected& heads, std::vector<RowAttention>& attention) {
  const MatrixB queries = heads.queries.cast<Eigen::bfloat16>(), keys = heads.keys.cast<Eigen::bfloat16>();
  heads.queries = queries.cast<float>();
  heads.keys = keys.cast<float>();
  return mix<Eigen::bfloat16>(shape, length, queries, keys, heads.values.cast<Eigen::bfloat16>(), attention);
}

}  // namespace

void attention_half(const BlockShape& shape, const LayerWeights& weights, const Team& shards, const MatrixF& hidden,
                    Precision precision, MatrixF& partial, QueriesKeys& queries_keys) {
  const Index length = hidden.rows();
  Projected heads = project(shape, weights, normalised(hidden, weights.attention_norm));
  const auto normalise = [&] {
    normalise_heads(weights.query_norm, length, shape.query_norm_columns, shards, heads.queries);
    normalise_heads(weights.key_norm, length, shape.key_norm_columns, shards, heads.keys);
  };
  if (!shape.norm_after_rotation) normalise();
  if (shape.clip) clip(*shape.clip, heads);
  rotate_heads(shape, length, heads);
  if (shape.norm_after_rotation) normalise();
  if (shape.query_scale != 1) heads.queries *= shape.query_scale;

  const MatrixF mixed = precision == Precision::bf16 ? mix_rounded(shape, length, heads, queries_keys.attention)
                                                     : mix<float>(shape, length, heads.queries, heads.keys,
                                                                  heads.values, queries_keys.attention);
  partial = linear(mixed, weights.output);
  queries_keys.queries = std::move(heads.queries);
  queries_keys.keys = std::move(heads.keys);
}

void mlp_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial) {
  const MatrixF rows = normalised(hidden, weights.mlp_norm);
  partial = feed_forward(shape, weights.mlp, rows);
  if (weights.shared_router.size() > 0) weigh_shared_expert(weights.shared_router, rows, partial);
  if (shape.routing && weights.router.size() > 0) add_experts(shape, weights, rows, partial);
}

}  // namespace logitfield::kernels::cpu

#include "kernels/cpu/block.hpp"

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/experts.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/norm.hpp"
#include "kernels/cpu/projections.hpp"
#include "kernels/cpu/rotary.hpp"

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

}  // namespace

void attention_half(const BlockShape& shape, const LayerWeights& weights, const Team& shards, const MatrixF& hidden,
                    Precision precision, MatrixF& partial, QueriesKeys& queries_keys) {
  const Index length = hidden.rows(), group = shape.num_heads / shape.num_kv_heads, v = shape.value_dim;
  Projected heads = project(shape, weights, normalised(hidden, weights.attention_norm), precision);
  normalise_heads(weights.query_norm, length, shape.query_norm_columns, shards, heads.queries);
  normalise_heads(weights.key_norm, length, shape.key_norm_columns, shards, heads.keys);
  if (shape.clip) clip(*shape.clip, heads);
  rotate_heads(shape, length, heads);
  if (shape.query_scale != 1) heads.queries *= shape.query_scale;

  MatrixF mixed(length, shape.num_heads * v);
  for (Index h = 0; h < shape.num_heads; ++h) {
    const Index kv = h / group;
    causal_attention(heads.queries.middleRows(h * length, length), heads.keys.middleRows(kv * length, length),
                     heads.values.middleRows(kv * length, length), shape.forms[h], shape.window,
                     mixed.middleCols(h * v, v));
  }
  partial = linear(mixed, weights.output, precision);
  queries_keys.queries = std::move(heads.queries);
  queries_keys.keys = std::move(heads.keys);
}

void mlp_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, Precision precision,
              MatrixF& partial) {
  const MatrixF rows = normalised(hidden, weights.mlp_norm);
  partial = feed_forward(shape, weights.mlp, rows, precision);
  if (shape.routing && weights.router.size() > 0) add_experts(shape, weights, rows, precision, partial);
}

}  // namespace logitfield::kernels::cpu

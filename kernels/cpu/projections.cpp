#include "kernels/cpu/projections.hpp"

#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/norm.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Rearranges `projected` [L, heads * stride] into head-major rows [heads * L, columns]. Takes `columns` columns of
/// every head, from its column `first` on.
MatrixF head_major(const MatrixFRef& projected, Index heads, Index stride, Index first, Index columns) {
  const Index length = projected.rows();
  MatrixF out(heads * length, columns);
  for (Index h = 0; h < heads; ++h) {
    out.middleRows(h * length, length) = projected.middleCols(h * stride + first, columns);
  }
  return out;
}

Projected project_directly(const BlockShape& shape, const LayerWeights& weights, const MatrixF& normalised) {
  const Index d = shape.head_dim, v = shape.value_dim, heads = shape.num_heads, kv_heads = shape.num_kv_heads;
  const MatrixF all = linear(normalised, weights.qkv);
  return {head_major(all.leftCols(heads * d), heads, d, 0, d),
          head_major(all.middleCols(heads * d, kv_heads * d), kv_heads, d, 0, d),
          head_major(all.rightCols(kv_heads * v), kv_heads, v, 0, v)};
}

Projected project_through_latents(const BlockShape& shape, const LayerWeights& weights, const MatrixF& normalised) {
  const Index length = normalised.rows(), latent = shape.latent_size, heads = shape.num_heads;
  const bool latent_queries = weights.query_down.weight.size() > 0;
  const MatrixF queries =
      latent_queries
          ? linear(cpu::normalised(linear(normalised, weights.query_down), weights.latent_query_norm), weights.qkv)
          : linear(normalised, weights.qkv);
  const MatrixF down = linear(normalised, weights.key_value_down);
  const Index shared = down.cols() - latent, own = shape.head_dim - shared, stride = own + shape.value_dim;
  const MatrixF up = linear(cpu::normalised(down.leftCols(latent), weights.latent_norm), weights.key_value_up);

  Projected out;
  out.queries = head_major(queries, heads, shape.head_dim, 0, shape.head_dim);
  out.values = head_major(up, heads, stride, own, shape.value_dim);
  out.keys.resize(heads * length, shape.head_dim);
  out.keys.leftCols(own) = head_major(up, heads, stride, 0, own);
  out.keys.rightCols(shared) = down.rightCols(shared).replicate(heads, 1);
  return out;
}

}  // namespace

Projected project(const BlockShape& shape, const LayerWeights& weights, const MatrixF& normalised) {
  return shape.latent_size > 0 ? project_through_latents(shape, weights, normalised)
                               : project_directly(shape, weights, normalised);
}

}  // namespace logitfield::kernels::cpu

#include "kernels/cpu/block.hpp"

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/rotary.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Positions that go through the MLP together: enough for full-speed products, few enough to bound memory.
constexpr Index kMlpRows = 1024;

/// y = x W^T + b.
MatrixF linear(const MatrixFRef& x, const MatrixF& weight, const VectorF& bias) {
  MatrixF y(x.rows(), weight.rows());
  y.noalias() = x * weight.transpose();
  if (bias.size() > 0) y.rowwise() += bias.transpose();
  return y;
}

/// Columns of `projected` [L, heads * head_dim], starting at `first`, as head-major rows [heads * L, head_dim].
MatrixF head_major(const MatrixF& projected, Index first, Index heads, Index head_dim) {
  const Index length = projected.rows();
  MatrixF out(heads * length, head_dim);
  for (Index h = 0; h < heads; ++h) {
    out.middleRows(h * length, length) = projected.middleCols(first + h * head_dim, head_dim);
  }
  return out;
}

void rotate_heads(const RotaryTable& table, MatrixF& heads, Index length) {
  for (Index first = 0; first < heads.rows(); first += length) rotate(table, heads.middleRows(first, length));
}

/// silu(gate) * up, for rows that hold gate and up side by side.
MatrixF swiglu(const MatrixF& gate_up) {
  const Index width = gate_up.cols() / 2;
  MatrixF out(gate_up.rows(), width);
  for (Index i = 0; i < gate_up.rows(); ++i) {
    const auto gate = gate_up.row(i).head(width).array();
    out.row(i) = gate / (1 + (-gate).exp()) * gate_up.row(i).tail(width).array();
  }
  return out;
}

}  // namespace

MatrixF rms_norm(const MatrixF& hidden, const VectorF& gain, double epsilon) {
  MatrixF out(hidden.rows(), hidden.cols());
  for (Index i = 0; i < hidden.rows(); ++i) {
    const double mean_square = hidden.row(i).cast<double>().squaredNorm() / static_cast<double>(hidden.cols());
    const float factor = static_cast<float>(1 / std::sqrt(mean_square + epsilon));
    out.row(i) = (hidden.row(i).array() * factor) * gain.transpose().array();
  }
  return out;
}

void attention_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial,
                    QueriesKeys& queries_keys) {
  const Index length = hidden.rows(), d = shape.head_dim, group = shape.num_heads / shape.num_kv_heads;
  MatrixF values;
  {
    const MatrixF normalised = rms_norm(hidden, weights.attention_norm, shape.norm_epsilon);
    const MatrixF projected = linear(normalised, weights.qkv, weights.qkv_bias);
    queries_keys.queries = head_major(projected, 0, shape.num_heads, d);
    queries_keys.keys = head_major(projected, shape.num_heads * d, shape.num_kv_heads, d);
    values = head_major(projected, (shape.num_heads + shape.num_kv_heads) * d, shape.num_kv_heads, d);
  }
  const RotaryTable table = rotary_table(length, d, shape.rope_theta);
  rotate_heads(table, queries_keys.queries, length);
  rotate_heads(table, queries_keys.keys, length);

  MatrixF mixed(length, shape.num_heads * d);
  for (Index h = 0; h < shape.num_heads; ++h) {
    const Index kv = h / group;
    causal_attention(queries_keys.queries.middleRows(h * length, length),
                     queries_keys.keys.middleRows(kv * length, length), values.middleRows(kv * length, length),
                     static_cast<float>(shape.scale()), shape.sliding_window, mixed.middleCols(h * d, d));
  }
  partial = linear(mixed, weights.output, weights.output_bias);
}

void mlp_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial) {
  const MatrixF normalised = rms_norm(hidden, weights.mlp_norm, shape.norm_epsilon);
  partial.resize(hidden.rows(), shape.hidden_size);
  for (Index first = 0; first < hidden.rows(); first += kMlpRows) {
    const Index rows = std::min(kMlpRows, hidden.rows() - first);
    const MatrixF activated = swiglu(linear(normalised.middleRows(first, rows), weights.gate_up, weights.gate_up_bias));
    partial.middleRows(first, rows) = linear(activated, weights.down, weights.down_bias);
  }
}

}  // namespace logitfield::kernels::cpu

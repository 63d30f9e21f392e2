#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// One shard's part of a Llama-shaped decoder block: its query heads, their KV heads and its rows of the MLP.
struct BlockShape {
  Index hidden_size = 0;
  Index num_heads = 0, num_kv_heads = 0, head_dim = 0;
  Index intermediate_size = 0;
  double norm_epsilon = 0;
  double rope_theta = 0;
  /// Query i sees the keys j with i - sliding_window < j <= i.
  std::optional<Index> sliding_window;

  /// Factor of q . k.
  double scale() const { return 1 / std::sqrt(static_cast<double>(head_dim)); }
};

/// The shard's weights of one block, float32, as y = W x + b with W [outputs, inputs]. A bias of size 0 is absent.
struct LayerWeights {
  VectorF attention_norm, mlp_norm;
  /// Query, key and value rows stacked: [(num_heads + 2 num_kv_heads) head_dim, hidden_size].
  MatrixF qkv;
  VectorF qkv_bias;
  /// [hidden_size, num_heads head_dim]; the bias is given to one shard only, since the shards' outputs are summed.
  MatrixF output;
  VectorF output_bias;
  /// Gate and up rows stacked: [2 intermediate_size, hidden_size].
  MatrixF gate_up;
  VectorF gate_up_bias;
  /// [hidden_size, intermediate_size]; bias as with `output`.
  MatrixF down;
  VectorF down_bias;
};

/// Queries and keys of the shard's heads as they enter the dot product, head-major.
struct QueriesKeys {
  /// [num_heads * L, head_dim] and [num_kv_heads * L, head_dim]: head h holds rows h L ... (h + 1) L - 1.
  MatrixF queries, keys;
};

/// Running log-sum-exp over the vocabulary, per predicted position; parts over disjoint token ranges combine.
struct LossPart {
  /// max over tokens of the logit, sum of exp(logit - max), and the target's logit (0 where it is not in the range).
  Vector max, sum, target;

  explicit LossPart(Index positions)
      : max(Vector::Constant(positions, -std::numeric_limits<double>::infinity())),
        sum(Vector::Zero(positions)),
        target(Vector::Zero(positions)) {}
};

}  // namespace logitfield::kernels

#pragma once
#include <limits>
#include <optional>
#include <vector>

#include "io/config/architecture.hpp"
#include "io/config/layer_parts.hpp"
#include "kernels/field_request.hpp"
#include "kernels/matrix.hpp"
#include "kernels/weight_matrix.hpp"

namespace logitfield::kernels {

/// A norm; if absent, the identity. A gain of size 0 means ones, a bias of size 0 none. The gain includes its offset.
struct Norm {
  bool present = false;
  bool centred = false;
  double epsilon = 0;
  VectorF gain, bias;
};

/// y = W x + b with W [outputs, inputs]; a bias of size 0 is absent.
struct Linear {
  WeightMatrix weight;
  VectorF bias;
};

/// One head's rows of a projection [head_dim, hidden], and the gain of the norm after it [head_dim] (empty: none).
struct Projection {
  MatrixFRef weight;
  VectorF gain = {};
};

/// One shard's part of a decoder block: its query heads, their KV heads, and its part of the MLP.
struct BlockShape {
  Index hidden_size = 0;
  Index num_heads = 0, num_kv_heads = 0;
  /// Columns of queries and keys, and columns of values.
  Index head_dim = 0, value_dim = 0;
  /// One per query head.
  std::vector<LogitForm> forms;
  std::optional<io::Rotary> rotary;
  /// Queries, keys and values are clipped to [-clip, clip] after projection and norms.
  std::optional<float> clip;
  /// Multiplies the projected queries.
  float query_scale = 1;
  /// The query and key norms follow the rotation.
  bool norm_after_rotation = false;
  /// Columns of the query and key norms. 0: a norm covers one head. Else it covers all heads of the model, with this
  /// many columns.
  Index query_norm_columns = 0, key_norm_columns = 0;
  /// Columns of the latent keys and values in latent attention (DeepSeek-V2); after them come the rotated key columns
  /// that all heads share. 0: queries, keys and values are projected directly.
  Index latent_size = 0;
  /// MLP and attention read the same hidden states, and both are added to them.
  bool parallel = false;
  io::Activation activation = io::Activation::silu;
  /// The MLP is down(act(gate x) * (up x)), not down(act(up x)).
  bool gated = true;
  /// Replaces `activation` and the product with up.
  std::optional<io::ClampedGate> clamped_gate;
  std::optional<io::Routing> routing;
};

/// A feed-forward network: gate and up rows stacked ([2 inner, hidden]; without a gate [inner, hidden]), then down
/// [hidden, inner]. Only one shard has the bias of `down`, since the shards' outputs are summed.
struct MlpWeights {
  Linear up, down;
};

/// Defines the types of a layer's parts as weights in host memory. A map of size 0 is absent.
struct AsWeights {
  using Norm = kernels::Norm;
  using StackedHeads = Linear;
  using WholeMap = Linear;
  using HeadMap = Linear;
  using ColumnMap = Linear;
  using Network = MlpWeights;
  using Router = MatrixF;
  using RouterBias = VectorF;
  using Expert = MlpWeights;
};

/// The shard's weights of one block: maps in the operand type of the products, all else in float32. The gain of a query
/// or key norm has head_dim entries, or one per column of all the shard's heads. Only one shard has the bias of the
/// output, as in MlpWeights::down. The experts are this shard's, numbered from first_expert.
struct LayerWeights : io::LayerParts<AsWeights> {
  Index first_expert = 0;
};

/// Visits every map of a layer in the operand type of the products, including those of size 0.
template <class Visit>
void for_each_map(const LayerWeights& weights, const Visit& visit) {
  io::visit_maps(visit, weights);
  const auto visit_network = [&](const MlpWeights& network) {
    visit(network.up);
    visit(network.down);
  };
  visit_network(weights.mlp);
  for (const MlpWeights& expert : weights.experts) visit_network(expert);
}

/// Queries and keys of the shard's heads as they enter the dot product, head-major.
struct QueriesKeys {
  /// [num_heads * L, head_dim] and [num_kv_heads * L, head_dim]: head h holds rows h L ... (h + 1) L - 1.
  MatrixF queries, keys;
  /// Softmax rows of each query head; empty where the context is too long for attention to be measured.
  std::vector<RowAttention> attention;
};

/// Running log-sum-exp over the vocabulary, per predicted position. Parts over disjoint token ranges can be combined.
struct LossPart {
  /// Maximum of the logits, sum of exp(logit - max), and the target's logit (0 if it is not in the range).
  Vector max, sum, target;

  explicit LossPart(Index positions)
      : max(Vector::Constant(positions, -std::numeric_limits<double>::infinity())),
        sum(Vector::Zero(positions)),
        target(Vector::Zero(positions)) {}
};

}  // namespace logitfield::kernels

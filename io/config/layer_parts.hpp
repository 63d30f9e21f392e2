#pragma once
#include <vector>

// The only list of the parts of a layer. It declares and visits them for the tensors in files (io::LayerTensors), for
// one shard's weights in host memory (kernels::LayerWeights) and for weights on a device.
namespace logitfield::io {

/// The parts of a layer. `Of` gives the type of each kind of part. A part that the family or the layer lacks is empty.
template <class Of>
struct LayerParts {
  /// Norms before a half of the block, of its output, and of the hidden states after adding the output.
  typename Of::Norm attention_norm{}, attention_output_norm{}, attention_residual_norm{};
  typename Of::Norm mlp_norm{}, mlp_output_norm{}, mlp_residual_norm{};
  /// Norms of queries and keys, of each head or of all heads together; norms of the latent queries, keys and values.
  typename Of::Norm query_norm{}, key_norm{}, latent_query_norm{}, latent_norm{};
  /// Rows of queries, keys and values, stacked: [(num_heads + num_kv_heads) head_dim + num_kv_heads value_dim,
  /// hidden_size]. With latent attention only the query rows, applied to the latent queries if there are any.
  typename Of::StackedHeads qkv{};
  /// Latent attention: hidden -> latent queries, and hidden -> [latent, key columns that all heads share].
  typename Of::WholeMap query_down{}, key_value_down{};
  /// Latent attention: latent -> per head [head_dim - shared key columns; value_dim] rows.
  typename Of::HeadMap key_value_up{};
  /// [hidden_size, num_heads value_dim]
  typename Of::ColumnMap output{};
  /// Dense network, or the experts that every token visits.
  typename Of::Network mlp{};
  /// Router [num_experts, hidden_size], the experts, and two biases with one number per expert: of its logits, and of
  /// the scores for the choice alone.
  typename Of::Router router{};
  typename Of::RouterBias router_logit_bias{}, router_bias{};
  /// A single row [1, hidden_size]: its sigmoid weights the experts that every token visits.
  typename Of::Router shared_router{};
  std::vector<typename Of::Expert> experts;
};

/// Calls visit(norm) for every norm; of several layers at once, visit(norm of the first, norm of the second, ...).
template <class Visit, class... Layers>
void visit_norms(const Visit& visit, Layers&... layers) {
  visit(layers.attention_norm...);
  visit(layers.attention_output_norm...);
  visit(layers.attention_residual_norm...);
  visit(layers.mlp_norm...);
  visit(layers.mlp_output_norm...);
  visit(layers.mlp_residual_norm...);
  visit(layers.query_norm...);
  visit(layers.key_norm...);
  visit(layers.latent_query_norm...);
  visit(layers.latent_norm...);
}

/// Calls visit in the same way for every linear map of attention.
template <class Visit, class... Layers>
void visit_maps(const Visit& visit, Layers&... layers) {
  visit(layers.qkv...);
  visit(layers.query_down...);
  visit(layers.key_value_down...);
  visit(layers.key_value_up...);
  visit(layers.output...);
}

}  // namespace logitfield::io

#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/config/architecture.hpp"
#include "io/config/quantisation.hpp"

namespace logitfield::io {

/// Order of the rows of queries, keys and values in the tensors.
enum class HeadLayout {
  separate,  // three tensors
  stacked,   // all queries, all keys, all values
  grouped,   // per KV head: its queries, its key, its value
  quarters,  // per quarter of the heads: all queries, all values, all keys
};

/// Names of tensors in the Hugging Face layout, without ".weight" and ".bias". "{}" stands for the number of the layer
/// (in `layer`), expert or head; "[{}]" for its place in a tensor that stacks them. An empty name: the family has no
/// such tensor. The defaults are those of Llama.
struct TensorNames {
  /// The prefix that is missing in files written from the inner model.
  std::string base = "model.";
  /// Prefixes that other versions of transformers write, and those here.
  std::vector<std::pair<std::string, std::string>> other_prefixes;
  std::string embedding = "model.embed_tokens", final_norm = "model.norm", output = "lm_head";
  std::string position_embedding, embedding_norm, embedding_in, embedding_out;
  std::string layer = "model.layers.{}.";
  // in a layer
  std::string attention_norm = "input_layernorm", attention_output_norm, attention_residual_norm;
  std::string mlp_norm = "post_attention_layernorm", mlp_output_norm, mlp_residual_norm;
  /// In layouts other than `separate`, `query` names the one tensor of all three.
  HeadLayout heads = HeadLayout::separate;
  std::string query = "self_attn.q_proj", key = "self_attn.k_proj", value = "self_attn.v_proj";
  std::string attention_output = "self_attn.o_proj";
  std::string query_norm, key_norm;
  std::string query_down, key_value_down, key_value_up, latent_query_norm, latent_norm;
  std::string gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
  /// `up`, or `expert_up`, holds gate rows, then up rows.
  bool fused_gate_up = false, fused_expert_gate_up = false;
  std::string router = "mlp.gate", router_bias;
  /// Logits of the softmax's member without a value, one per query head.
  std::string sinks;
  std::string expert_gate = "mlp.experts.{}.gate_proj", expert_up = "mlp.experts.{}.up_proj",
              expert_down = "mlp.experts.{}.down_proj";
  std::string shared_gate, shared_up, shared_down, shared_router;
  /// In a fused expert, gate and up rows alternate.
  bool alternating_expert_gate_up = false;
  /// Follow the names of the experts' matrices and biases.
  std::string expert_weight_ending = ".weight", expert_bias_ending = ".bias";
  /// Matrices of a layer, and of experts, are stored as [inputs, outputs].
  bool transposed = false, transposed_experts = false;
  /// Endings of the names of tensors that are not read, because their values follow from config.json.
  std::vector<std::string> derived = {"rotary_emb.inv_freq"};
};

/// Properties that may differ between layers.
struct LayerForm {
  /// A query sees the keys i - window < j <= i.
  std::optional<std::int64_t> window = {};
  /// Index into ModelConfig::rotaries; -1: none.
  int rotary = -1;
  double query_scale = 1;
  /// Inner size of the dense network, or of the experts that every token visits; 0: none.
  std::int64_t intermediate_size = 0;
  bool routed = false;
};

/// Latent attention (DeepSeek-V2): sizes of the latents (0: queries are projected directly) and of the key columns that
/// all heads share.
struct LatentForm {
  std::int64_t query_size = 0, key_value_size = 0, shared_key_size = 0;
  double norm_epsilon = 1e-6;
};

/// The arithmetic and the tensors of a decoder, from config.json. All families use this type; io/config/families/ fills
/// it in.
struct ModelConfig {
  std::string model_type;
  /// Keys of config.json that the family does not know, with their values. They do not change the arithmetic.
  std::vector<std::string> unknown_keys;
  /// Sentences for people about what the file leaves open.
  std::vector<std::string> remarks;
  /// Parts of a larger model beside the decoder, which are not read: keys of config.json and prefixes of tensors.
  std::vector<std::string> unread_parts;
  /// Number of layers after the last that files may hold for predicting further tokens. They are not read.
  std::int64_t extra_layers = 0;
  std::int64_t num_layers = 0, hidden_size = 0, intermediate_size = 0, vocab_size = 0;
  std::int64_t num_heads = 0, num_kv_heads = 0;
  /// Columns of queries and keys, and of values.
  std::int64_t head_dim = 0, value_dim = 0;
  std::int64_t max_positions = 0;
  /// Factor of q.k; slopes by query head (empty: none); caps of the logits and of the final logits, cap * tanh(x /
  /// cap).
  double scale = 0;
  std::vector<double> alibi_slopes;
  std::optional<double> logit_softcap, output_softcap;
  std::optional<double> clip_qkv;

  NormForm norm;
  /// Norm of queries and keys, if their names are given: over a head's columns, or over all heads.
  NormForm head_norm;
  bool head_norm_over_all = false;
  /// Every head has gains of its own, in one tensor [heads, head_dim].
  bool head_norm_by_head = false;
  /// These norms follow the rotation.
  bool head_norm_after_rotation = false;
  /// MLP and attention both read the hidden states as they enter the layer.
  bool parallel = false;
  Activation activation = Activation::silu;
  bool gated = true;
  std::optional<ClampedGate> clamped_gate;
  bool query_key_value_bias = false, attention_output_bias = false, mlp_bias = false, output_bias = false;

  bool tied_embeddings = false;
  /// Columns of the token embedding if they differ from hidden_size; a projection follows then.
  std::int64_t embedding_size = 0;
  double embedding_scale = 1;
  /// Multiplies the output of the final norm, and so the final logits before their cap.
  double output_scale = 1;
  /// The row of the position embedding that belongs to token 0.
  std::int64_t position_offset = 0;
  /// Positions are added as sines and cosines (Vaswani et al. 2017), counted from position_offset.
  bool sinusoidal_positions = false;

  std::vector<Rotary> rotaries;
  std::vector<LayerForm> layers;
  std::optional<Routing> routing;
  std::int64_t expert_size = 0;
  std::optional<LatentForm> latent;
  std::optional<Quantisation> quantisation;
  TensorNames names;

  /// Returns notices about config.json for people, one sentence each.
  std::vector<std::string> notices() const;
  std::int64_t group_size() const { return num_heads / num_kv_heads; }
  /// Returns the length above which texts are rotated differently (LongRoPE). A context up to this length is no prefix
  /// of a text above it. 0: all texts are rotated alike.
  std::int64_t rotation_changes_after() const;
};

/// Reads and checks config.json. Throws InputError naming file, key and value for:
/// - a file that is not a JSON object;
/// - a missing or non-positive size, or num_heads not divisible by num_kv_heads;
/// - an unsupported model_type (with the list of supported ones);
/// - every value whose arithmetic is not implemented;
/// - keys that the family does not know and that may change the arithmetic (unknown_keys.hpp).
ModelConfig read_model_config(const std::filesystem::path& config_json);
/// Reads a parsed file that came from `origin` (used in messages), with the same checks.
ModelConfig model_config_from(const nlohmann::json& file, const std::string& origin);

/// Returns the model_type of all families, in alphabetical order.
std::vector<std::string> supported_model_types();

}  // namespace logitfield::io

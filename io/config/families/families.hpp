#pragma once
#include "io/config/config_source.hpp"
#include "io/config/model_config.hpp"
#include "io/config/rotary_config.hpp"

// A family is a function that reads its config.json into a ModelConfig: docs/adding-a-family.md.
namespace logitfield::io::families {

void read_llama(const ConfigSource& config, ModelConfig& model);
void read_mistral(const ConfigSource& config, ModelConfig& model);
void read_qwen2(const ConfigSource& config, ModelConfig& model);
void read_qwen3(const ConfigSource& config, ModelConfig& model);
void read_smollm3(const ConfigSource& config, ModelConfig& model);
void read_granite(const ConfigSource& config, ModelConfig& model);
void read_cohere(const ConfigSource& config, ModelConfig& model);
void read_cohere2(const ConfigSource& config, ModelConfig& model);
void read_gpt_bigcode(const ConfigSource& config, ModelConfig& model);
void read_starcoder2(const ConfigSource& config, ModelConfig& model);
void read_phi(const ConfigSource& config, ModelConfig& model);
void read_phi3(const ConfigSource& config, ModelConfig& model);
void read_stablelm(const ConfigSource& config, ModelConfig& model);
void read_gemma(const ConfigSource& config, ModelConfig& model);
void read_gemma2(const ConfigSource& config, ModelConfig& model);
void read_gemma3(const ConfigSource& config, ModelConfig& model);
void read_gemma3_nested(const ConfigSource& config, ModelConfig& model);
void read_gpt2(const ConfigSource& config, ModelConfig& model);
void read_gptj(const ConfigSource& config, ModelConfig& model);
void read_gpt_neo(const ConfigSource& config, ModelConfig& model);
void read_gpt_neox(const ConfigSource& config, ModelConfig& model);
void read_opt(const ConfigSource& config, ModelConfig& model);
void read_bloom(const ConfigSource& config, ModelConfig& model);
void read_mpt(const ConfigSource& config, ModelConfig& model);
void read_falcon(const ConfigSource& config, ModelConfig& model);
void read_olmo(const ConfigSource& config, ModelConfig& model);
void read_olmo2(const ConfigSource& config, ModelConfig& model);
void read_olmo3(const ConfigSource& config, ModelConfig& model);
void read_olmoe(const ConfigSource& config, ModelConfig& model);
void read_mixtral(const ConfigSource& config, ModelConfig& model);
void read_gpt_oss(const ConfigSource& config, ModelConfig& model);
void read_qwen3_moe(const ConfigSource& config, ModelConfig& model);
void read_codegen(const ConfigSource& config, ModelConfig& model);
void read_glm(const ConfigSource& config, ModelConfig& model);
void read_glm4(const ConfigSource& config, ModelConfig& model);
void read_glm4_moe(const ConfigSource& config, ModelConfig& model);
void read_qwen2_moe(const ConfigSource& config, ModelConfig& model);
void read_ernie4_5(const ConfigSource& config, ModelConfig& model);
void read_ernie4_5_moe(const ConfigSource& config, ModelConfig& model);
void read_seed_oss(const ConfigSource& config, ModelConfig& model);
void read_arcee(const ConfigSource& config, ModelConfig& model);
void read_exaone4(const ConfigSource& config, ModelConfig& model);
void read_dots1(const ConfigSource& config, ModelConfig& model);
void read_minimax_m2(const ConfigSource& config, ModelConfig& model);
void read_xglm(const ConfigSource& config, ModelConfig& model);
void read_granitemoe(const ConfigSource& config, ModelConfig& model);
void read_hunyuan_v1_dense(const ConfigSource& config, ModelConfig& model);
void read_hunyuan_v1_moe(const ConfigSource& config, ModelConfig& model);
void read_deepseek_v2(const ConfigSource& config, ModelConfig& model);
void read_deepseek_v3(const ConfigSource& config, ModelConfig& model);

// Helpers that families share.

using Reader = void (*)(const ConfigSource&, ModelConfig&);
/// Calls a reader, between checks that hold for all families.
void read_checked(const ConfigSource& config, Reader reader, ModelConfig& model);
/// Does so for a decoder's configuration inside that of a larger model, and notes its unknown keys.
void read_inner(const ConfigSource& config, Reader reader, ModelConfig& model);

/// Reads the sizes under the names that Llama and its relatives use.
void read_sizes(const ConfigSource& config, ModelConfig& model);
/// Reads these sizes and sets heads, scale 1/sqrt(head_dim), and dense layers without rotation.
void read_common_sizes(const ConfigSource& config, ModelConfig& model);
/// Sets num_kv_heads (checked to divide num_heads), head_dim (the key "head_dim", else hidden_size / num_heads),
/// value_dim and scale; hidden_size and num_heads must be set before.
void set_heads(const ConfigSource& config, std::int64_t num_kv_heads, ModelConfig& model);
/// Sets one LayerForm per layer: dense, with this `rotary`.
void set_layers(const ConfigSource& config, ModelConfig& model, int rotary);
/// Reads what Llama and its relatives share: sizes, RMS norm, activation, rotation, tied embeddings.
void read_llama_base(const ConfigSource& config, ModelConfig& model);
/// Reads what the models of HunYuan share.
void read_hunyuan_base(const ConfigSource& config, ModelConfig& model);
/// Sets one rotation for all layers: of whole heads, or of the part that the family's default or the file names.
void set_rotary(const ConfigSource& config, ModelConfig& model, std::optional<double> partial_factor = {},
                double theta = 10000);
/// Sets one rotation for full layers and another for layers with a window. Newer files give both, older ones scale only
/// the first.
void set_rotaries_by_window(const ConfigSource& config, const RotaryDefaults& full, const RotaryDefaults& sliding,
                            ModelConfig& model);
/// Sets RMS norms; `epsilon` holds where the file gives none.
void set_rms_norm(const ConfigSource& config, ModelConfig& model, double epsilon = 1e-6);
/// Sets LayerNorm with gain and bias, its epsilon under `key`.
void set_layer_norm(const ConfigSource& config, const char* key, ModelConfig& model);
void set_activation(const ConfigSource& config, const char* key, const char* fallback, ModelConfig& model);
/// Layers of layer_types "sliding_attention" see `window` keys. Without that key, layers for which `slides` holds do.
template <class Predicate>
void set_windows(const ConfigSource& config, std::int64_t window, Predicate slides, ModelConfig& model);
bool is_sliding(const ConfigSource& config, std::int64_t layer, bool otherwise);
/// Returns the name under which the file gives a value that has two names. Throws InputError if both are present and
/// differ.
const char* name_of_either(const ConfigSource& config, const char* older, const char* newer);
/// Throws InputError if layer_types names a layer that is not full_attention.
void require_full_attention(const ConfigSource& config, const ModelConfig& model);
/// Puts all tensors but the output matrix under `base`.
void set_names_prefix(const std::string& base, ModelConfig& model);
/// Sets norms of queries and keys under the usual names.
void set_head_norms(ModelConfig& model);
/// Reads routed experts and shared ones, by DeepSeek's keys.
void read_deepseek_experts(const ConfigSource& config, Routing routing, ModelConfig& model);
/// Groups of experts where the file gives none.
struct GroupDefaults {
  std::int64_t count = 1, used = 1;
};
/// Reads such experts with the routing of DeepSeek-V3: sigmoid scores, corrected by a bias for the choice.
void read_corrected_experts(const ConfigSource& config, const GroupDefaults& groups, bool normalise,
                            ModelConfig& model);
/// Sets norms of the outputs of both halves, in place of those before them (OLMo 2).
void set_norms_of_outputs(ModelConfig& model);
/// Names the gated MLP that every token visits beside its experts: gate_proj, up_proj and down_proj of this module.
void name_shared_expert(const std::string& module, ModelConfig& model);
/// Sets an MLP without a gate: act(up x), then down.
void set_plain_mlp(std::string up, std::string down, ModelConfig& model);
/// Returns the ALiBi slopes (Press et al. 2021): 2^(-8 k / n) for the largest power of two n up to num_heads, then
/// every second slope of the series of 2 n.
std::vector<double> alibi_slopes(std::int64_t num_heads);

template <class Predicate>
void set_windows(const ConfigSource& config, std::int64_t window, Predicate slides, ModelConfig& model) {
  for (std::int64_t layer = 0; layer < model.num_layers; ++layer) {
    if (is_sliding(config, layer, slides(layer))) model.layers[layer].window = window;
  }
}

}  // namespace logitfield::io::families

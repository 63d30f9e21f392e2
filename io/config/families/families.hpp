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
void read_phi(const ConfigSource& config, ModelConfig& model);
void read_phi3(const ConfigSource& config, ModelConfig& model);
void read_stablelm(const ConfigSource& config, ModelConfig& model);
void read_gemma(const ConfigSource& config, ModelConfig& model);
void read_gemma2(const ConfigSource& config, ModelConfig& model);
void read_gemma3(const ConfigSource& config, ModelConfig& model);
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
void read_olmoe(const ConfigSource& config, ModelConfig& model);
void read_mixtral(const ConfigSource& config, ModelConfig& model);
void read_qwen3_moe(const ConfigSource& config, ModelConfig& model);
void read_deepseek_v2(const ConfigSource& config, ModelConfig& model);
void read_deepseek_v3(const ConfigSource& config, ModelConfig& model);

// Helpers that families share.

/// Reads the sizes under the names that Llama and its relatives use.
void read_sizes(const ConfigSource& config, ModelConfig& model);
/// Reads these sizes and sets heads, scale 1/sqrt(head_dim), and dense layers without rotation.
void read_common_sizes(const ConfigSource& config, ModelConfig& model);
/// Sets num_kv_heads (checked to divide num_heads), head_dim (the key "head_dim", else hidden_size / num_heads),
/// value_dim and scale; hidden_size and num_heads must be set before.
void set_heads(const ConfigSource& config, std::int64_t num_kv_heads, ModelConfig& model);
/// Sets one LayerForm per layer: dense, with this `rotary`.
void set_layers(const ConfigSource& config, ModelConfig& model, int rotary);
/// Sets one rotation for all layers: of whole heads, or of the part that the family's default or the file names.
void set_rotary(const ConfigSource& config, ModelConfig& model, std::optional<double> partial_factor = {});
void set_rms_norm(const ConfigSource& config, ModelConfig& model);
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

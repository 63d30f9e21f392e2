#include "pipeline/job/model_shapes.hpp"

#include <fmt/ranges.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/error.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

json llama(int layers, int hidden, int heads, int inner) {
  return {{"model_type", "llama"},    {"num_hidden_layers", layers},
          {"hidden_size", hidden},    {"num_attention_heads", heads},
          {"num_key_value_heads", 8}, {"intermediate_size", inner},
          {"vocab_size", 128256},     {"max_position_embeddings", 131072},
          {"rms_norm_eps", 1e-5},     {"rope_theta", 500000.0},
          {"hidden_act", "silu"},     {"tie_word_embeddings", false}};
}

json deepseek_v3() {
  return {{"model_type", "deepseek_v3"},
          {"num_hidden_layers", 61},
          {"hidden_size", 7168},
          {"num_attention_heads", 128},
          {"num_key_value_heads", 128},
          {"intermediate_size", 18432},
          {"vocab_size", 129280},
          {"max_position_embeddings", 163840},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", 10000.0},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", false},
          {"q_lora_rank", 1536},
          {"kv_lora_rank", 512},
          {"qk_nope_head_dim", 128},
          {"qk_rope_head_dim", 64},
          {"v_head_dim", 128},
          {"moe_intermediate_size", 2048},
          {"n_routed_experts", 256},
          {"n_shared_experts", 1},
          {"num_experts_per_tok", 8},
          {"n_group", 8},
          {"topk_group", 4},
          {"first_k_dense_replace", 3},
          {"norm_topk_prob", true},
          {"routed_scaling_factor", 2.5}};
}

/// Llama 3.1 (Grattafiori et al. 2024, table 3) and DeepSeek-V3 (2024, section 4.2), as in their config.json.
const std::map<std::string, json>& shapes() {
  static const std::map<std::string, json> all{{"8B", llama(32, 4096, 32, 14336)},
                                               {"70B", llama(80, 8192, 64, 28672)},
                                               {"405B", llama(126, 16384, 128, 53248)},
                                               {"671B", deepseek_v3()}};
  return all;
}

}  // namespace

io::ModelConfig model_shape(const std::string& name) {
  if (const auto known = shapes().find(name); known != shapes().end()) {
    return io::model_config_from(known->second, "the shape " + name);
  }
  if (std::filesystem::is_regular_file(name)) return io::read_model_config(name);
  std::vector<std::string> sizes;
  for (const auto& [size, config] : shapes()) sizes.push_back(size);
  throw InputError("--model-shape {}: is neither a config.json nor a known size; use a file, or {}", name,
                   fmt::join(sizes, ", "));
}

}  // namespace logitfield

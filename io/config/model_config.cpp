#include "io/config/model_config.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "io/config/families/families.hpp"
#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

const std::map<std::string, families::Reader>& readers() {
  static const std::map<std::string, families::Reader> all = {{"arcee", families::read_arcee},
                                                              {"bloom", families::read_bloom},
                                                              {"codegen", families::read_codegen},
                                                              {"cohere", families::read_cohere},
                                                              {"cohere2", families::read_cohere2},
                                                              {"deepseek_v2", families::read_deepseek_v2},
                                                              {"deepseek_v3", families::read_deepseek_v3},
                                                              {"dots1", families::read_dots1},
                                                              {"ernie4_5", families::read_ernie4_5},
                                                              {"ernie4_5_moe", families::read_ernie4_5_moe},
                                                              {"exaone4", families::read_exaone4},
                                                              {"falcon", families::read_falcon},
                                                              {"gemma", families::read_gemma},
                                                              {"gemma2", families::read_gemma2},
                                                              {"gemma3", families::read_gemma3_nested},
                                                              {"gemma3_text", families::read_gemma3},
                                                              {"glm", families::read_glm},
                                                              {"glm4", families::read_glm4},
                                                              {"glm4_moe", families::read_glm4_moe},
                                                              {"gpt2", families::read_gpt2},
                                                              {"gpt_bigcode", families::read_gpt_bigcode},
                                                              {"gpt_neo", families::read_gpt_neo},
                                                              {"gpt_neox", families::read_gpt_neox},
                                                              {"gpt_oss", families::read_gpt_oss},
                                                              {"gptj", families::read_gptj},
                                                              {"granite", families::read_granite},
                                                              {"granitemoe", families::read_granitemoe},
                                                              {"hunyuan_v1_dense", families::read_hunyuan_v1_dense},
                                                              {"hunyuan_v1_moe", families::read_hunyuan_v1_moe},
                                                              {"kimi_k2", families::read_deepseek_v3},
                                                              {"llama", families::read_llama},
                                                              {"minimax_m2", families::read_minimax_m2},
                                                              {"mistral", families::read_mistral},
                                                              {"mixtral", families::read_mixtral},
                                                              {"mpt", families::read_mpt},
                                                              {"olmo", families::read_olmo},
                                                              {"olmo2", families::read_olmo2},
                                                              {"olmo3", families::read_olmo3},
                                                              {"olmoe", families::read_olmoe},
                                                              {"opt", families::read_opt},
                                                              {"phi", families::read_phi},
                                                              {"phi3", families::read_phi3},
                                                              {"qwen2", families::read_qwen2},
                                                              {"qwen2_moe", families::read_qwen2_moe},
                                                              {"qwen3", families::read_qwen3},
                                                              {"qwen3_moe", families::read_qwen3_moe},
                                                              {"seed_oss", families::read_seed_oss},
                                                              {"smollm3", families::read_smollm3},
                                                              {"stablelm", families::read_stablelm},
                                                              {"starcoder2", families::read_starcoder2},
                                                              {"xglm", families::read_xglm}};
  return all;
}

void check_routing(const ConfigSource& config, const Routing& r) {
  constexpr std::int64_t kMostExperts = 100'000;
  if (r.num_experts > kMostExperts) {
    throw InputError("{}: {} experts are more than {}; correct it", config.path(), r.num_experts, kMostExperts);
  }
  if (r.top_k > r.num_experts) {
    throw InputError("{}: {} experts are chosen from {}; correct them", config.path(), r.top_k, r.num_experts);
  }
  const bool grouped = r.top_groups < r.groups;
  if (r.groups < 1 || r.top_groups > r.groups || r.num_experts % r.groups != 0 ||
      (grouped && (r.num_experts / r.groups < r.group_scores || r.top_groups * (r.num_experts / r.groups) < r.top_k))) {
    throw InputError(
        "{}: {} experts in {} groups (n_group), {} of which are used (topk_group), do not allow {} choices; "
        "correct them",
        config.path(), r.num_experts, r.groups, r.top_groups, r.top_k);
  }
}

void check_rotations(const ConfigSource& config, const ModelConfig& model) {
  for (const Rotary& rotary : model.rotaries) {
    const std::int64_t columns = 2 * std::ssize(rotary.frequencies);
    if (rotary.first_column + columns > model.head_dim) {
      throw InputError("{}: {} columns are rotated, but a head has {}; correct the rotated columns or the head's",
                       config.path(), columns, model.head_dim);
    }
  }
}

void read_quantisation_of(const ConfigSource& config, ModelConfig& model) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (!config.has(key)) continue;
    model.quantisation = read_quantisation(config.object(key));
    const Quantisation::Method method = model.quantisation->method;
    const bool transposed = model.names.transposed || model.names.transposed_experts;
    if (transposed && (method == Quantisation::Method::gptq || method == Quantisation::Method::awq)) {
      config.refuse(key, "use a model type that stores its matrices as [outputs, inputs]");
    }
    // Blocks of MXFP4 run along the inputs of a matrix.
    if (method == Quantisation::Method::mxfp4) model.names.transposed_experts = false;
    // Scales of activations, and of the cache of keys and values.
    model.names.derived.insert(model.names.derived.end(),
                               {".input_scale", ".activation_scale", ".k_scale", ".v_scale", ".input_scale_ub",
                                // The shape is compared where the weight is opened.
                                ".weight_shape"});
    return;
  }
}

}  // namespace

std::vector<std::string> ModelConfig::notices() const {
  std::vector<std::string> out = remarks;
  if (quantisation) {
    out.push_back(fmt::format("weights are dequantised ({}); activations are not quantised", quantisation->name));
  }
  if (!unread_parts.empty()) {
    out.push_back(fmt::format("only the language model is measured; its other parts are not read: {}",
                              fmt::join(unread_parts, ", ")));
  }
  if (!unknown_keys.empty()) {
    out.push_back(
        fmt::format("unknown keys of the configuration, which change nothing: {}", fmt::join(unknown_keys, ", ")));
  }
  return out;
}

std::int64_t ModelConfig::rotation_changes_after() const {
  for (const Rotary& rotary : rotaries) {
    if (!rotary.long_frequencies.empty() && rotary.long_frequencies != rotary.frequencies) return rotary.long_above;
  }
  return 0;
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> out;
  for (const auto& [type, reader] : readers()) out.push_back(type);
  return out;
}

ModelConfig read_model_config(const std::filesystem::path& config_json) {
  return model_config_from(read_json(config_json), config_json.string());
}

ModelConfig model_config_from(const nlohmann::json& file, const std::string& path) {
  ModelConfig model;
  model.model_type = required<std::string>(file, "model_type", path);
  const ConfigSource config(path, file);
  const auto reader = readers().find(model.model_type);
  if (reader == readers().end()) {
    config.refuse("model_type", fmt::format("use a model of type {}", fmt::join(supported_model_types(), ", ")));
  }
  families::read_checked(config, reader->second, model);
  if (model.embedding_size == 0) model.embedding_size = model.hidden_size;
  check_rotations(config, model);
  read_quantisation_of(config, model);
  if (model.routing) check_routing(config, *model.routing);
  std::ranges::move(config.unknown_keys(), std::back_inserter(model.unknown_keys));
  return model;
}

}  // namespace logitfield::io

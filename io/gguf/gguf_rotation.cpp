#include "io/gguf/gguf_rotation.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

json factors_of(const GgufModel& model, const char* name) {
  const PlacedTensor placed = *model.find(name);
  const GgufTensor& tensor = *placed.tensor;
  if (tensor.shape.size() != 1 || tensor.type->plain != DType::F32) {
    throw InputError("{}: tensor {} is {} with {} axes, not a list of F32 numbers; copy or download the file again",
                     placed.file->path().string(), excerpt(tensor.name), tensor.type->name, tensor.shape.size());
  }
  std::vector<float> values(static_cast<std::size_t>(tensor.shape[0]));
  dequantise(*tensor.type, tensor.data.data(), values);
  return values;
}

/// Returns a rotation whose frequencies are divided by factors, with other factors for long texts.
json divided(const json& short_factors, const json& long_factors, double attention_factor, std::int64_t original) {
  return {{"rope_type", "longrope"},
          {"short_factor", short_factors},
          {"long_factor", long_factors},
          {"attention_factor", attention_factor},
          {"original_max_position_embeddings", original}};
}

json scaling_by_type(const GgufModel& model, ArchitectureKeys& keys) {
  const std::string type = keys.text_or("rope.scaling.type", "none");
  if (type == "none") return {{"rope_type", "default"}};
  if (type != "linear" && type != "yarn") {
    throw InputError(
        "{}: \"rope.scaling.type\" is {} without frequency factors, which is not implemented; "
        "use a model with linear, yarn or longrope",
        model.path().string(), excerpt(type));
  }
  json scaling = {{"rope_type", type}};
  keys.copy(scaling, {{"factor", "rope.scaling.factor"}});
  if (type == "yarn") {
    keys.copy(scaling, {{"original_max_position_embeddings", "rope.scaling.original_context_length"},
                        {"beta_fast", "rope.scaling.yarn_beta_fast"},
                        {"beta_slow", "rope.scaling.yarn_beta_slow"}});
  }
  return scaling;
}

json gguf_scaling(const GgufModel& model, ArchitectureKeys& keys) {
  if (model.has("rope_factors_long.weight") && model.has("rope_factors_short.weight")) {
    keys.ignore({"rope.scaling.type", "rope.scaling.factor"});
    return divided(factors_of(model, "rope_factors_short.weight"), factors_of(model, "rope_factors_long.weight"),
                   keys.number_or("rope.scaling.attn_factor", 1), keys.integer("rope.scaling.original_context_length"));
  }
  if (model.has("rope_freqs.weight")) {
    // The file stores Llama 3's blend of frequencies as one set of factors for texts of any length.
    const json factors = factors_of(model, "rope_freqs.weight");
    return divided(factors, factors, 1, keys.integer("context_length"));
  }
  return scaling_by_type(model, keys);
}

/// Returns the scaling and the base of the rotation.
json base_rotation(const GgufModel& model, ArchitectureKeys& keys) {
  json rotation = gguf_scaling(model, keys);
  rotation["rope_theta"] = keys.number_or("rope.freq_base", 10000);
  keys.ignore({"rope.scaling.finetuned"});
  return rotation;
}

}  // namespace

std::int64_t head_dim_of(ArchitectureKeys& keys) {
  const std::int64_t heads = std::max<std::int64_t>(1, keys.integer("attention.head_count"));
  return keys.integer_or("attention.key_length", keys.integer("embedding_length") / heads);
}

void describe_rotation(const GgufModel& model, ArchitectureKeys& keys, json& config) {
  json rotation = base_rotation(model, keys);
  const std::int64_t head_dim = head_dim_of(keys), columns = keys.integer_or("rope.dimension_count", head_dim);
  // Written even if it is 1, because families have other defaults.
  rotation["partial_rotary_factor"] = static_cast<double>(columns) / static_cast<double>(head_dim);
  config["rope_parameters"] = rotation;
}

void describe_latent_rotation(const GgufModel& model, ArchitectureKeys& keys, json& config) {
  json rotation = base_rotation(model, keys);
  // llama.cpp's converter writes a tenth of mscale_all_dim, and leaves out mscale, which is the same in every model.
  const double weight = 10 * keys.number_or("rope.scaling.yarn_log_multiplier", 0);
  if (rotation["rope_type"] == "yarn" && weight != 0) rotation["mscale"] = rotation["mscale_all_dim"] = weight;
  config["rope_parameters"] = rotation;
}

}  // namespace logitfield::io

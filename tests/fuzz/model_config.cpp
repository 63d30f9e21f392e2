// Fuzzes config.json of a model, and the tensors that it needs.
#include "io/config/model_config.hpp"

#include <cmath>

#include "io/checkpoint/layer_tensors.hpp"
#include "io/json.hpp"
#include "io/safetensors.hpp"
#include "tests/fuzz/input.hpp"

namespace logitfield::fuzz {
namespace {

using io::ModelConfig;

void require_sizes(const ModelConfig& model) {
  for (const std::int64_t size : {model.num_layers, model.hidden_size, model.vocab_size, model.num_heads,
                                  model.num_kv_heads, model.head_dim, model.value_dim, model.max_positions}) {
    require(size >= 1, "sizes are positive");
  }
  require(model.num_heads % model.num_kv_heads == 0, "query heads divide among KV heads");
  require(std::ssize(model.layers) == model.num_layers, "every layer has a form");
  require(std::isfinite(model.scale) && model.scale > 0, "the scale is positive and finite");
  for (const double scale : {model.embedding_scale, model.output_scale, model.norm.epsilon}) {
    require(std::isfinite(scale), "factors of states and logits are finite");
  }
  require(model.alibi_slopes.empty() || std::ssize(model.alibi_slopes) == model.num_heads, "a slope for every head");
  for (const double slope : model.alibi_slopes) require(std::isfinite(slope), "slopes are finite");
  if (model.routing) require(model.routing->top_k <= model.routing->num_experts, "no more experts than there are");
}

void require_rotations(const ModelConfig& model) {
  for (const io::Rotary& rotary : model.rotaries) {
    require(rotary.first_column >= 0 && !rotary.frequencies.empty() &&
                rotary.first_column + 2 * std::ssize(rotary.frequencies) <= model.head_dim,
            "the columns that turn are a head's");
    require(rotary.long_frequencies.empty() || rotary.long_frequencies.size() == rotary.frequencies.size(),
            "long texts turn the same columns");
    require(std::isfinite(rotary.amplitude), "the amplitude is finite");
    for (const double f : rotary.frequencies) require(std::isfinite(f), "frequencies are finite");
    for (const double f : rotary.long_frequencies) require(std::isfinite(f), "frequencies of long texts are finite");
  }
}

void require_layers(const ModelConfig& model) {
  for (const io::LayerForm& layer : model.layers) {
    require(layer.rotary >= -1 && layer.rotary < std::ssize(model.rotaries), "a layer's rotation is there");
    require(layer.window.value_or(1) >= 1, "windows are positive");
    require(std::isfinite(layer.query_scale) && layer.query_scale > 0, "query scales are positive and finite");
    require(!layer.routed || model.routing, "experts have a router");
  }
}

void require_tensors(const ModelConfig& model) {
  auto tensors = io::tensors_around_layers(model);
  const auto last = io::tensors_of(io::layer_tensors(model, model.num_layers - 1));
  tensors.insert(tensors.end(), last.begin(), last.end());
  for (const io::ExpectedTensor& tensor : tensors) {
    require(!tensor.name.empty() && !tensor.shape.empty(), "tensors have a name and a shape");
    require(io::byte_count(io::DType::F32, tensor.shape).has_value(), "a tensor's bytes can be counted");
  }
}

}  // namespace

void check(std::string_view input) {
  ModelConfig model;
  if (!accepts([&] { model = io::model_config_from(io::parse_json(input, "config.json"), "config.json"); })) return;
  require_sizes(model);
  require_rotations(model);
  require_layers(model);
  require_tensors(model);
}

}  // namespace logitfield::fuzz

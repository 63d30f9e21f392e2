#include "pipeline/job/logit_forms.hpp"

namespace logitfield {

kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head) {
  return {.scale = config.scale,
          .alibi_slope = config.alibi_slopes.empty() ? 0 : config.alibi_slopes[static_cast<std::size_t>(head)],
          .softcap = config.logit_softcap};
}

kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer) {
  return {.window = config.layers[static_cast<std::size_t>(layer)].window.value_or(0)};
}

std::vector<std::vector<double>> sinks_of(const io::Checkpoint& checkpoint) {
  const io::ModelConfig& config = checkpoint.config();
  std::vector<std::vector<double>> out;
  if (config.names.sinks.empty()) return out;
  std::vector<float> layer(static_cast<std::size_t>(config.num_heads));
  for (std::int64_t l = 0; l < config.num_layers; ++l) {
    checkpoint.weight(io::layer_tensors(config, l).sinks->name).read({0, config.num_heads}, {0, 1}, layer);
    out.emplace_back(layer.begin(), layer.end());
  }
  return out;
}

}  // namespace logitfield

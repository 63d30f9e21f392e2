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

}  // namespace logitfield

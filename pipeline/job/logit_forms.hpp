#pragma once
#include "io/config/model_config.hpp"
#include "kernels/logit_form.hpp"

namespace logitfield {

/// A head's logits, the same in all layers but for the keys that a layer shows.
kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head);
kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer);

}  // namespace logitfield

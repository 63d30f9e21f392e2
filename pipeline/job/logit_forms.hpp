#pragma once
#include "io/config/model_config.hpp"
#include "kernels/logit_form.hpp"

namespace logitfield {

/// The form of a head's logits, the same in all layers; and the keys that a layer shows to a query.
kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head);
kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer);

}  // namespace logitfield

#pragma once
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "kernels/logit_form.hpp"

namespace logitfield {

/// The form of a head's logits, as far as it is the same in all layers; and the keys that a layer shows to a query.
kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head);
kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer);
/// Reads the logits of the sinks, by layer and query head; empty if the model has none.
std::vector<std::vector<double>> sinks_of(const io::Checkpoint& checkpoint);

}  // namespace logitfield

#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace logitfield::io {

/// Whether a key of Hugging Face configurations is about names, training, generation or storage, never a forward pass.
bool is_harmless(std::string_view key);

/// Whether a key that a family's reader does not ask for could change a forward pass. transformers' code of the model
/// type does not read it, but a model with code of its own may. So the key's name must tell of arithmetic that some
/// family has (a scale, a cap, a window, a norm, a rotation, experts, ...), and its value must not be the neutral one.
bool may_change_arithmetic(std::string_view key, const nlohmann::json& value);

}  // namespace logitfield::io

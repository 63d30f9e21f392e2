#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace logitfield::io {

/// Tells whether a key of Hugging Face configurations concerns names, training, generation or storage, never a forward
/// pass.
bool is_harmless(std::string_view key);

/// Tells whether a key that a family's reader does not ask for could change a forward pass. The code of the model type
/// in transformers does not read it, but a model with its own code may. So the answer is yes if the key's name mentions
/// arithmetic that some family has (a scale, a cap, a window, a norm, a rotation, experts, ...), unless its value is
/// neutral.
bool may_change_arithmetic(std::string_view key, const nlohmann::json& value);

}  // namespace logitfield::io

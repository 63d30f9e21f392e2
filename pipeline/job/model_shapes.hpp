#pragma once
#include <string>

#include "io/config/model_config.hpp"

namespace logitfield {

/// The configuration of a published model by its size ("8B", "70B", "405B", "671B"), or from a config.json. Throws
/// InputError for a name that is neither, listing the known sizes.
io::ModelConfig model_shape(const std::string& name);

}  // namespace logitfield

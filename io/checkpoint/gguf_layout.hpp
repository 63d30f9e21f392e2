#pragma once
#include "io/config/model_config.hpp"
#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// Returns the configuration of a model in GGUF files. It is that of its Hugging Face family, with the names and the
/// layout of llama.cpp's tensors. Throws InputError for everything that config_of_gguf and model_config_from refuse.
ModelConfig gguf_model_config(const GgufModel& model);

}  // namespace logitfield::io

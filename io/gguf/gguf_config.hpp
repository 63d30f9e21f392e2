#pragma once
#include <nlohmann/json.hpp>

#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// The metadata of a model as a config.json of its Hugging Face family would say it. Throws InputError naming file, key
/// and value for an architecture that is not implemented, and for values of the wrong type.
nlohmann::json config_of_gguf(const GgufModel& model);

/// Whether files of this architecture hold the rows of queries and keys in llama.cpp's order: the two halves of each
/// head interleaved.
bool interleaves_heads(const std::string& architecture);

}  // namespace logitfield::io

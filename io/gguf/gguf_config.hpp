#pragma once
#include <nlohmann/json.hpp>

#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// Returns the metadata of a model in the form of a config.json of its Hugging Face family. Throws InputError naming
/// file, key and value for an architecture that is not implemented, and for values of the wrong type.
nlohmann::json config_of_gguf(const GgufModel& model);

/// Tells whether files of this architecture store the rows of queries and keys in llama.cpp's order, which interleaves
/// the two halves of each head.
bool interleaves_heads(const std::string& architecture);

}  // namespace logitfield::io

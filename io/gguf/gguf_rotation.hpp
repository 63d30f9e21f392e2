#pragma once
#include <nlohmann/json.hpp>

#include "io/gguf/architecture_keys.hpp"
#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// Returns the columns of a head: "attention.key_length", else the number that llama.cpp assumes.
std::int64_t head_dim_of(ArchitectureKeys& keys);

/// Adds the rotation of positions to `config`: base, part of the columns, scaling. Factors of the frequencies come from
/// tensors (rope_freqs, rope_factors_short, rope_factors_long). Throws InputError naming key or tensor for an unknown
/// scaling, and for factors that are not float32 numbers.
void describe_rotation(const GgufModel& model, ArchitectureKeys& keys, nlohmann::json& config);

/// Adds the rotation of DeepSeek's families, whose rotated columns are a size of their own, and whose YaRN also scales
/// the logits.
void describe_latent_rotation(const GgufModel& model, ArchitectureKeys& keys, nlohmann::json& config);

}  // namespace logitfield::io

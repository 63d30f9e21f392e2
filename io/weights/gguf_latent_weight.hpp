#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/gguf/gguf_model.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// Opens the map of latent attention from latents to the keys and values of all heads, "blk.0.attn_kv_b.weight", where
/// the file holds its two halves instead: attn_k_b [heads, latents, key columns] and attn_v_b [heads, value columns,
/// latents]. The rows are those of the map: the keys of a head, then its values. Returns null if `name` is no such map,
/// or if the model has neither half. Throws InputError naming file, tensor and fault for a missing half, and for other
/// shapes and types.
std::unique_ptr<StoredWeight> open_gguf_latent_weight(const GgufModel& model, const std::string& name,
                                                      const std::vector<std::int64_t>& shape);

}  // namespace logitfield::io

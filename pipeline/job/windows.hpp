#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "kernels/visible.hpp"

namespace logitfield {

// Which keys the layers of a run show to their queries, by layer of the model: in "windows" and "chunks" of the
// manifest's model, null where a layer shows all. Absent where all layers do.

/// Puts them there.
void describe_visible(const std::vector<kernels::Visible>& visible, nlohmann::json& model);
/// Empty where the manifest has none. Throws InputError naming `path` for what is no list of `num_layers` of them.
std::vector<kernels::Visible> read_visible(const nlohmann::json& model, std::int64_t num_layers,
                                           const std::string& path);

/// How many of some layers hide keys in a context of `length` tokens.
std::int64_t count_windowed(const std::vector<kernels::Visible>& layers, std::int64_t length);
/// "12 of 18 layers see 512 keys only"; empty where none hides a key.
std::string windows_text(const std::vector<kernels::Visible>& layers, std::int64_t length);

}  // namespace logitfield

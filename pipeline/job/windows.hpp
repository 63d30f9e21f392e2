#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "kernels/visible.hpp"

namespace logitfield {

// Visible keys of a run's layers, by layer of the model: "windows" and "chunks" in the manifest's model. An entry is
// null for a layer without one, and a list is absent where all its entries would be null.

/// Writes the visible keys into the manifest's model.
void describe_visible(const std::vector<kernels::Visible>& visible, nlohmann::json& model);
/// Reads them; returns nothing if the manifest has none. Throws InputError naming `path` for anything but a list of
/// `num_layers` valid entries.
std::vector<kernels::Visible> read_visible(const nlohmann::json& model, std::int64_t num_layers,
                                           const std::string& path);

/// Counts the layers that hide keys in a context of `length` tokens.
std::int64_t count_windowed(const std::vector<kernels::Visible>& layers, std::int64_t length);
/// Returns "12 of 18 layers see 512 keys only"; empty if no layer hides a key.
std::string windows_text(const std::vector<kernels::Visible>& layers, std::int64_t length);

}  // namespace logitfield

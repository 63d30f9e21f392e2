#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace logitfield {

/// Differences between two manifests in entries that decide the numbers, one a line: "contexts: [64] before, [64,128]
/// now". Entries about where a run is made (grid, hosts, start) do not count.
std::vector<std::string> manifest_differences(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace logitfield

#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace logitfield {

/// What decides the numbers in one manifest and is not the same in the other: "contexts: [64] before, [64,128] now",
/// a line each. Where a run is made (grid, hosts, start) does not count.
std::vector<std::string> manifest_differences(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace logitfield

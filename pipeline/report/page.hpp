#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace logitfield {

/// A page that works without a network: a template of pipeline/report/web/ with the common styles and Chart.js, what it
/// shows
/// (`data`, the scripts' REPORT) and its scripts.
std::string make_page(std::string_view page, const std::string& title, const nlohmann::json& data,
                      std::string_view scripts);

}  // namespace logitfield

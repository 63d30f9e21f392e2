#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace logitfield {

/// A page that works without a network: a template of io/report/ with the common styles, Chart.js, the data that it
/// shows (`data`, which scripts read as REPORT) and its scripts.
std::string make_page(std::string_view page, const std::string& title, const nlohmann::json& data,
                      std::string_view scripts);

}  // namespace logitfield

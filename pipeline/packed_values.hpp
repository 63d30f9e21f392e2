#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace logitfield {

/// Numbers as the scripts of a page read them (io/report/data.js): float32, base64.
std::string floats(const std::vector<double>& values);

/// 16-bit steps from the least to the largest value, of the logarithm where values span more than a factor of 100;
/// base64. What is not finite becomes 65535, undefined.
nlohmann::json pack(const std::vector<double>& values);

}  // namespace logitfield

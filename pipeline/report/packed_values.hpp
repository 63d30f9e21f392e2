#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/results/reading.hpp"

namespace logitfield {

/// Numbers as the scripts of a page read them (pipeline/report/web/data.js): float32, base64.
std::string floats(const std::vector<double>& values);

/// 16-bit steps from the least to the largest value, of the logarithm where values span more than a factor of 100;
/// base64. What is not known becomes 65535, undefined; or the step of its bound, and its bit in "above" (more than the
/// bound) or "below" (less), which are there where a bit is set: bit i % 8 of byte i / 8, base64.
nlohmann::json pack(const std::vector<Reading>& values);

}  // namespace logitfield

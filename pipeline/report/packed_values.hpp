#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/results/reading.hpp"

namespace logitfield {

/// Most bytes of packed values in a page, before base64.
inline constexpr double kMostPackedBytes = 4.5e6;

/// Numbers as the scripts of a page read them (pipeline/report/web/data.js): float32, base64.
std::string floats(const std::vector<double>& values);

/// 16-bit steps from the smallest to the largest value, base64. The steps are logarithmic if positive values span
/// more than a factor of 100. An undefined reading becomes 65535. A censored one becomes the step of its bound, and its
/// bit is set in "above" (more than the bound) or "below" (less): bit i % 8 of byte i / 8, base64. "above" and "below"
/// are present only if a bit is set.
nlohmann::json pack(const std::vector<Reading>& values);

}  // namespace logitfield

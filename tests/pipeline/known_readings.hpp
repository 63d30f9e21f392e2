#pragma once
#include <vector>

#include "pipeline/results/reading.hpp"

namespace logitfield::testing {

inline std::vector<Reading> known_readings(const std::vector<double>& values) {
  std::vector<Reading> out;
  for (const double v : values) out.push_back(Reading::known(v));
  return out;
}

}  // namespace logitfield::testing

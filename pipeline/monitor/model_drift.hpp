#pragma once
#include <vector>

#include "pipeline/monitor/alerts.hpp"

namespace logitfield {

/// The alerts of kind model_drift that begin at a measured step: many heads move together, so none of them stands out.
std::vector<Alert> model_drifts_at(const HeadSeries& series, std::size_t index, const Thresholds& thresholds);

}  // namespace logitfield

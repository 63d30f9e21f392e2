#pragma once
#include <nlohmann/json.hpp>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// The data that the report's scripts show (see pipeline/report/web/data.js): statistics of every head as 16-bit steps,
/// spectra and profiles of as many heads as fit, certificates, provenance. If the page would exceed some megabytes,
/// leaves out values by text and the contexts between the shortest and the longest.
nlohmann::json report_data(const Results& results);

}  // namespace logitfield

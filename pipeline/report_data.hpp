#pragma once
#include <nlohmann/json.hpp>

#include "pipeline/results.hpp"

namespace logitfield {

/// Data for the report's scripts (see io/report/data.js): statistics of every head as 16-bit steps, spectra and
/// profiles of as many heads as fit, certificates, provenance. For models so large that the page would exceed some
/// megabytes, leaves out contexts between the shortest and the longest, and values by text.
nlohmann::json report_data(const Results& results);

}  // namespace logitfield

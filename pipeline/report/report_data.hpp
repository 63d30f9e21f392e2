#pragma once
#include <nlohmann/json.hpp>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// What the report's scripts show (see pipeline/report/web/data.js): statistics of every head as 16-bit steps, spectra
/// and profiles of as many heads as fit, certificates, provenance. Of models so large that the page would grow beyond
/// some megabytes, contexts between the shortest and the longest and values by text are left out.
nlohmann::json report_data(const Results& results);

}  // namespace logitfield

#pragma once
#include <string>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// report.html: one file that shows a run, for any browser, without a network (see pipeline/report/web/).
std::string report_page(const Results& results);

}  // namespace logitfield

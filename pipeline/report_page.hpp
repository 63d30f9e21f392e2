#pragma once
#include <string>

#include "pipeline/results.hpp"

namespace logitfield {

/// Text of report.html: one file that shows a run in any browser, without a network (see io/report/).
std::string report_page(const Results& results);

}  // namespace logitfield

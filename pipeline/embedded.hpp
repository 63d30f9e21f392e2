#pragma once
#include <string_view>

/// Files inside the program: io/report/ and Chart.js (see cmake/Embed.cmake).
namespace logitfield::embedded {

/// As the files are, byte for byte.
extern const std::string_view chart_js, report_html, report_css, report_js;

}  // namespace logitfield::embedded

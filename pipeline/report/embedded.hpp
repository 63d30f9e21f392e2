#pragma once
#include <string_view>

/// Files inside the program: pipeline/report/web/ and Chart.js (see cmake/Embed.cmake).
namespace logitfield::embedded {

/// The files' contents, byte for byte.
extern const std::string_view chart_js, chart_licence, report_html, report_css, report_js, monitor_html, monitor_js,
    comparison_html, theme_js;

}  // namespace logitfield::embedded

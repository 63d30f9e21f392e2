#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace logitfield {

/// What fills a template of pipeline/report/web/.
struct PageParts {
  std::string title;
  std::string_view scripts;
  /// What the scripts show (their REPORT).
  nlohmann::json data = {};
  /// HTML that was made here.
  std::string body = {};
};

/// A page that works without a network: the template with the common styles, Chart.js where it asks for it, and its
/// parts.
std::string make_page(std::string_view page, const PageParts& parts);

}  // namespace logitfield

#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace logitfield {

/// The parts that fill a template of pipeline/report/web/.
struct PageParts {
  std::string title;
  std::string_view scripts;
  /// The data that the scripts show (their REPORT).
  nlohmann::json data = {};
  /// HTML to insert into the page.
  std::string body = {};
};

/// Makes a page that works without a network: the template, the common styles, its parts, and Chart.js if the template
/// asks for it.
std::string make_page(std::string_view page, const PageParts& parts);

}  // namespace logitfield

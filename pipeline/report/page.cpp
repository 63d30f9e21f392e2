#include "pipeline/report/page.hpp"

#include <utility>
#include <vector>

#include "pipeline/report/embedded.hpp"
#include "pipeline/report/markup.hpp"

namespace logitfield {
namespace {

/// "v3.9.1", from the first line of Chart.js.
std::string chart_version() {
  const std::string_view text = embedded::chart_js;
  const auto begin = text.find("Chart.js v");
  if (begin == std::string_view::npos) return "";
  const auto version = text.substr(begin + 9);
  return std::string(version.substr(0, version.find_first_of(" \n")));
}

/// Escapes text for a script, where "</script" and "<!--" would end or change it.
std::string in_script(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "\\u003c" : std::string(1, c);
  return out;
}

}  // namespace

std::string make_page(std::string_view page, const PageParts& of) {
  const std::vector<std::pair<std::string_view, std::string>> parts{
      {"@TITLE@", io::markup_text(of.title)},
      {"@BODY@", of.body},
      {"@STYLE@", std::string(embedded::report_css)},
      {"@CHARTVERSION@", chart_version()},
      {"@CHARTLICENCE@", io::markup_text(embedded::chart_licence)},
      {"@CHARTS@", std::string(embedded::chart_js)},
      {"@DATA@", in_script(of.data.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace))},
      {"@SCRIPT@", std::string(of.scripts)}};
  // One pass over the page, so that inserted text is never searched.
  std::string out;
  std::string_view rest = page;
  while (true) {
    std::size_t first = std::string_view::npos;
    const std::pair<std::string_view, std::string>* next = nullptr;
    for (const auto& part : parts) {
      const std::size_t place = rest.find(part.first);
      if (place < first) first = place, next = &part;
    }
    if (!next) break;
    out += rest.substr(0, first);
    out += next->second;
    rest.remove_prefix(first + next->first.size());
  }
  return out += rest;
}

}  // namespace logitfield

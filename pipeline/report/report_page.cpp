#include "pipeline/report/report_page.hpp"

#include "pipeline/report/embedded.hpp"
#include "pipeline/report/page.hpp"
#include "pipeline/report/report_data.hpp"

namespace logitfield {

std::string report_page(const Results& results) {
  const std::string model = results.manifest.at("model").at("name");
  return make_page(embedded::report_html, {model + " - energy field", embedded::report_js, report_data(results)});
}

}  // namespace logitfield

#include "pipeline/report_page.hpp"

#include "pipeline/embedded.hpp"
#include "pipeline/page.hpp"
#include "pipeline/report_data.hpp"

namespace logitfield {

std::string report_page(const Results& results) {
  const std::string model = results.manifest.at("model").at("name");
  return make_page(embedded::report_html, model + " - energy field", report_data(results), embedded::report_js);
}

}  // namespace logitfield

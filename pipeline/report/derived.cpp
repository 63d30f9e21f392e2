#include "io/file.hpp"
#include "pipeline/report/report_page.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {

nlohmann::json write_derived(const Results& results, const io::RunFolder& folder) {
  write_heads_csv(results, folder.heads_csv());
  if (!results.nulls.empty()) write_nulls_csv(results, folder.nulls_csv());
  write_head_nulls_csv(results, folder.head_nulls_csv());
  write_results_nc(results, folder.results_nc());
  nlohmann::json summary = summarise(results);
  io::write_atomically(folder.summary(), summary.dump(1) + "\n");
  io::write_atomically(folder.report(), report_page(results));
  return summary;
}

}  // namespace logitfield

#include <fmt/format.h>

#include "io/csv.hpp"
#include "pipeline/results.hpp"
#include "pipeline/schema.hpp"

namespace logitfield {
namespace {

/// The shortest text that reads back as the same number.
std::string cell(double value) { return fmt::format("{}", value); }
std::string cell(std::int64_t value) { return fmt::format("{}", value); }
std::string cell(bool value) { return value ? "1" : "0"; }

struct Row {
  const LayerRecord* layer;
  const HeadRecord* head;
  std::size_t context;
};

std::vector<std::string> header() {
  std::vector<std::string> out{"text", "context", "layer", "head", "kv_head", "scope"};
  kernels::HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, auto&) { out.emplace_back(info.name); });
  out.emplace_back("certified");
  return out;
}

}  // namespace

void write_heads_csv(const Results& results, const std::filesystem::path& path) {
  std::vector<Row> rows;
  for (const auto& [key, layer] : results.layers) {
    for (std::size_t c = 0; c < results.contexts.size(); ++c) {
      for (const HeadRecord& head : layer.heads) rows.push_back({&layer, &head, c});
    }
  }
  io::write_csv(path, header(), rows.size(), [&](std::size_t i) {
    const Row& row = rows[i];
    const kernels::HeadStatistics& s = row.head->contexts[row.context];
    std::vector<std::string> cells{results.texts[row.layer->text], cell(results.contexts[row.context]),
                                   cell(row.layer->layer),         cell(row.head->head),
                                   cell(row.head->kv_head),        results.scopes.at(0)};
    visit_statistics(s, [&](const StatisticInfo&, const auto& value) { cells.push_back(cell(value)); });
    cells.push_back(cell(s.certificate.certified()));
    return cells;
  });
}

}  // namespace logitfield

#include <fmt/format.h>

#include <algorithm>

#include "io/csv.hpp"
#include "pipeline/results.hpp"
#include "pipeline/schema.hpp"

namespace logitfield {
namespace {

/// The shortest text that reads back as the same number.
std::string cell(double value) { return fmt::format("{}", value); }
std::string cell(std::int64_t value) { return fmt::format("{}", value); }
std::string cell(bool value) { return value ? "1" : "0"; }
std::string cell(kernels::Route value) { return std::string(kernels::route_name(value)); }

struct Row {
  const LayerRecord* layer;
  const HeadRecord* head;
  std::size_t context, scope;
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
      for (std::size_t s = 0; s < results.scopes.size(); ++s) {
        for (const HeadRecord& head : layer.heads) rows.push_back({&layer, &head, c, s});
      }
    }
  }
  io::write_csv(path, header(), rows.size(), [&](std::size_t i) {
    const Row& row = rows[i];
    const kernels::HeadStatistics& s = row.head->fields[results.field(row.context, row.scope)];
    std::vector<std::string> cells{results.texts[row.layer->text], cell(results.contexts[row.context]),
                                   cell(row.layer->layer),         cell(row.head->head),
                                   cell(row.head->kv_head),        results.scopes[row.scope]};
    visit_statistics(s, [&](const StatisticInfo&, const auto& value) { cells.push_back(cell(value)); });
    cells.push_back(cell(s.certificate.certified()));
    return cells;
  });
}

void write_nulls_csv(const Results& results, const std::filesystem::path& path) {
  std::vector<std::string> names{"context", "scope", "draws"};
  std::vector<std::string> statistics;
  for (const NullRecord& null : results.nulls) {
    for (const auto& [name, value] : null.statistics) {
      if (std::ranges::find(statistics, name) == statistics.end()) statistics.push_back(name);
    }
  }
  for (const std::string& name : statistics) names.insert(names.end(), {name, name + "_sd"});
  io::write_csv(path, names, results.nulls.size(), [&](std::size_t i) {
    const NullRecord& null = results.nulls[i];
    const auto field = static_cast<std::size_t>(null.field);
    std::vector<std::string> cells{cell(results.contexts.at(field / results.scopes.size())),
                                   results.scopes[field % results.scopes.size()], cell(null.draws)};
    for (const std::string& name : statistics) {
      const auto found = null.statistics.find(name);
      const auto [mean, sd] =
          found == null.statistics.end() ? std::pair(kernels::kUndefined, kernels::kUndefined) : found->second;
      cells.insert(cells.end(), {cell(mean), cell(sd)});
    }
    return cells;
  });
}

}  // namespace logitfield

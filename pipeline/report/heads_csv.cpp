#include <fmt/format.h>

#include <algorithm>

#include "io/csv.hpp"
#include "pipeline/results/field_readings.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {
namespace {

/// The text of a cell; empty if the value is missing.
std::string cell(double value) { return io::csv_cell(value); }
std::string cell(std::int64_t value) { return is_defined(value) ? fmt::format("{}", value) : ""; }
std::string cell(bool value) { return value ? "1" : "0"; }
std::string cell(kernels::Route value) { return std::string(kernels::route_name(value)); }

/// The text of a cell; empty if a layer shows all keys.
std::string cell_of_keys(std::int64_t keys) { return keys > 0 ? cell(keys) : ""; }

struct Row {
  const LayerRecord* layer;
  const HeadRecord* head;
  std::size_t context, scope;
};

std::vector<Row> rows_of(const Results& results) {
  std::vector<Row> rows;
  for (const auto& [key, layer] : results.layers) {
    for (std::size_t c = 0; c < results.contexts.size(); ++c) {
      for (std::size_t s = 0; s < results.scopes.size(); ++s) {
        for (const HeadRecord& head : layer.heads) rows.push_back({&layer, &head, c, s});
      }
    }
  }
  return rows;
}

const std::vector<std::string> kPlaceColumns{"text", "context", "layer", "head", "kv_head", "scope"};

std::vector<std::string> place_cells(const Results& results, const Row& row) {
  return {results.texts[row.layer->text], cell(results.contexts[row.context]),
          cell(row.layer->layer),         cell(row.head->head),
          cell(row.head->kv_head),        results.scopes[row.scope]};
}

std::vector<std::string> header() {
  std::vector<std::string> out = kPlaceColumns;
  out.insert(out.end(), {"window", "chunk"});
  kernels::HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, auto&) { out.emplace_back(info.name); });
  out.emplace_back("certified");
  return out;
}

}  // namespace

void write_heads_csv(const Results& results, const std::filesystem::path& path) {
  const std::vector<Row> rows = rows_of(results);
  io::write_csv(path, header(), rows.size(), [&](std::size_t i) {
    const Row& row = rows[i];
    const kernels::HeadStatistics& s = row.head->fields[results.field(row.context, row.scope)];
    std::vector<std::string> cells = place_cells(results, row);
    const kernels::Visible visible = results.visible_at(row.layer->layer);
    cells.insert(cells.end(), {cell_of_keys(visible.window), cell_of_keys(visible.chunk)});
    visit_statistics(s, [&](const StatisticInfo&, const auto& value) { cells.push_back(cell(value)); });
    cells.push_back(cell(s.certificate.certified()));
    return cells;
  });
}

void write_nulls_csv(const Results& results, const std::filesystem::path& path) {
  std::vector<std::string> names{"context", "scope", "draws", "failed"};
  std::vector<std::string> statistics;
  for (const NullRecord& null : results.nulls) {
    for (const auto& [name, statistic] : null.of.statistics) {
      if (std::ranges::find(statistics, name) == statistics.end()) statistics.push_back(name);
    }
  }
  for (const std::string& name : statistics) names.insert(names.end(), {name, name + "_sd"});
  io::write_csv(path, names, results.nulls.size(), [&](std::size_t i) {
    const NullRecord& null = results.nulls[i];
    const auto [context, scope] = results.place_of(static_cast<std::size_t>(null.field));
    std::vector<std::string> cells{cell(results.contexts.at(context)), results.scopes[scope], cell(null.of.draws),
                                   cell(null.of.failed)};
    for (const std::string& name : statistics) {
      const auto found = null.of.statistics.find(name);
      const NullStatistic statistic = found == null.of.statistics.end() ? NullStatistic{} : found->second;
      cells.insert(cells.end(), {cell(statistic.mean().value()), cell(statistic.sd())});
    }
    return cells;
  });
}

void write_head_nulls_csv(const Results& results, const std::filesystem::path& path) {
  std::vector<Row> rows = rows_of(results);
  std::erase_if(rows, [](const Row& row) { return row.head->nulls.empty(); });
  if (rows.empty()) return;
  std::vector<std::string> names = kPlaceColumns;
  names.insert(names.end(), {"draws", "failed"});
  for (const HeadNullCell& c : head_null_cells(*rows.front().head, 0)) {
    const std::string name(c.info.name);
    names.insert(names.end(), {name, name + "_sd", name + "_p"});
  }
  io::write_csv(path, names, rows.size(), [&](std::size_t i) {
    const Row& row = rows[i];
    const std::size_t field = results.field(row.context, row.scope);
    std::vector<std::string> cells = place_cells(results, row);
    const NullDraws& draws = row.head->nulls[field];
    cells.insert(cells.end(), {cell(draws.draws), cell(draws.failed)});
    for (const HeadNullCell& c : head_null_cells(*row.head, field)) {
      cells.insert(cells.end(), {cell(c.mean.value()), cell(c.sd), cell(c.p)});
    }
    return cells;
  });
}

}  // namespace logitfield

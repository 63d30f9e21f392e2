#include "pipeline/results/field_readings.hpp"

#include "pipeline/results/counted_readings.hpp"

namespace logitfield {
namespace {

void add_own_null(const Reading& head, const NullDraws& draws, StatisticReadings& out) {
  if (const auto p = p_value_of(out.info, Null::own, head, draws)) out.own_p_values.push_back(*p);
  const auto found = draws.statistics.find(std::string(out.info.name));
  if (found != draws.statistics.end()) out.own_means.push_back(found->second.mean());
}

}  // namespace

std::vector<Reading> StatisticReadings::readings(std::optional<std::int64_t> text) const {
  std::vector<Reading> out;
  for (const auto& [place, reading] : heads) {
    if (!text || place[0] == *text) out.push_back(reading);
  }
  return out;
}

std::map<std::string, StatisticReadings> field_readings(const Results& r, std::size_t field) {
  std::map<std::string, StatisticReadings> out;
  for (const auto& entry : r.layers) {
    const LayerRecord& layer = entry.second;
    visit_counted_readings(layer, field,
                           [&](const StatisticInfo& info, const Reading& reading, const HeadRecord& head) {
                             StatisticReadings& statistic = out[std::string(info.name)];
                             statistic.info = info;
                             const std::int64_t owner = info.kind == Kind::kv_head ? head.kv_head : head.head;
                             statistic.heads[{layer.text, layer.layer, owner}] = reading;
                             if (!head.nulls.empty()) add_own_null(reading, head.nulls[field], statistic);
                           });
  }
  return out;
}

std::optional<double> p_value_of(const StatisticInfo& info, Null null, const Reading& head, const NullDraws& draws) {
  const auto found = draws.statistics.find(std::string(info.name));
  if (!head.is_defined() || !is_testable(info, null) || found == draws.statistics.end()) return {};
  if (found->second.draws.size() < kFewestDraws) return {};
  return chance_p_value(head, found->second.draws, resolution_of(info, head.place()));
}

std::vector<HeadNullCell> head_null_cells(const HeadRecord& head, std::size_t field) {
  std::vector<HeadNullCell> out;
  const NullDraws& draws = head.nulls[field];
  const bool certified = head.fields[field].certificate.certified();
  visit_readings(head.fields[field], [&](const StatisticInfo& info, const Reading& reading) {
    if (!is_testable(info, Null::own)) return;
    HeadNullCell& cell = out.emplace_back(HeadNullCell{info, {}});
    const auto found = draws.statistics.find(std::string(info.name));
    if (found == draws.statistics.end()) return;
    cell.mean = found->second.mean();
    cell.sd = found->second.sd();
    if (certified) cell.p = p_value_of(info, Null::own, reading, draws).value_or(kernels::kUndefined);
  });
  return out;
}

BeyondChance beyond_gaussian_heads(const Results& r, std::size_t field, const StatisticReadings& statistic) {
  std::vector<double> p_values;
  const NullDraws* null = r.null_of(field);
  if (!null) return beyond_chance({});
  for (const auto& [place, reading] : statistic.heads) {
    if (const auto p = p_value_of(statistic.info, Null::gaussian, reading, *null)) p_values.push_back(*p);
  }
  return beyond_chance(std::move(p_values));
}

}  // namespace logitfield

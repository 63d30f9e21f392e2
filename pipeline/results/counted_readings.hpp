#pragma once
#include <set>
#include <utility>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// Visits the readings of one layer and field that count in the model's statistics: those of certified heads. A
/// statistic of a KV head counts once, taken from its first query head that is certified and has it. Calls
/// visit(StatisticInfo, Reading, HeadRecord), undefined readings of query heads included. No other place states this
/// rule.
template <class Visit>
void visit_counted_readings(const LayerRecord& layer, std::size_t field, Visit&& visit) {
  std::set<std::pair<std::int64_t, std::string_view>> counted;
  for (const HeadRecord& head : layer.heads) {
    const kernels::HeadStatistics& s = head.fields[field];
    if (!s.certificate.certified()) continue;
    visit_readings(s, [&](const StatisticInfo& info, const Reading& reading) {
      if (info.kind == Kind::certificate) return;
      if (info.kind == Kind::kv_head) {
        if (!reading.is_defined() || !counted.emplace(head.kv_head, info.name).second) return;
      }
      visit(info, reading, head);
    });
  }
}

}  // namespace logitfield

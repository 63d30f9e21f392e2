#include "pipeline/results/head_values.hpp"

namespace logitfield {
namespace {

bool is_shown(const StatisticInfo& info) {
  return info.kind != Kind::certificate && info.name != "rank_bound" && info.name != "zero_sum_residual";
}

}  // namespace

std::vector<StatisticInfo> shown_statistics() {
  std::vector<StatisticInfo> out;
  const kernels::HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, const auto&) {
    if (is_shown(info)) out.push_back(info);
  });
  return out;
}

HeadValues head_values(const Results& results, std::size_t text, std::size_t field) {
  const auto heads = static_cast<std::size_t>(results.num_layers * results.num_heads);
  HeadValues out(shown_statistics().size(), std::vector<Reading>(heads));
  for_each_head(results, text, field, [&](std::size_t index, const kernels::HeadStatistics& h) {
    if (!h.certificate.certified()) return;
    std::size_t statistic = 0;
    visit_readings(h, [&](const StatisticInfo& info, const Reading& reading) {
      if (is_shown(info)) out[statistic++][index] = reading;
    });
  });
  return out;
}

HeadValues medians_over_texts(const std::vector<HeadValues>& by_text) {
  HeadValues out = by_text.front();
  if (by_text.size() == 1) return out;
  for (std::size_t s = 0; s < out.size(); ++s) {
    for (std::size_t h = 0; h < out[s].size(); ++h) {
      std::vector<Reading> over_texts;
      for (const HeadValues& text : by_text) over_texts.push_back(text[s][h]);
      out[s][h] = median(over_texts);
    }
  }
  return out;
}

}  // namespace logitfield

#include "pipeline/monitor/head_series.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

using kernels::HeadStatistics;
using Values = std::array<double, kFollowed.size()>;

Values undefined() {
  Values out;
  out.fill(kernels::kUndefined);
  return out;
}

using Readings = std::array<Reading, kFollowed.size()>;

Readings readings_of(const HeadStatistics& statistics) {
  Readings out;
  visit_readings(statistics, [&](const StatisticInfo& info, const Reading& reading) {
    const auto place = std::ranges::find(kFollowed, info.name);
    if (place != kFollowed.end()) out[static_cast<std::size_t>(place - kFollowed.begin())] = reading;
  });
  return out;
}

/// Median over texts for one head that is certified in each.
Readings median_of(const std::vector<Readings>& texts) {
  Readings out;
  for (std::size_t s = 0; s < out.size(); ++s) {
    std::vector<Reading> values;
    for (const Readings& text : texts) values.push_back(text[s]);
    out[s] = median(values);
  }
  return out;
}

void add_head(const Readings& readings, StepValues& out) {
  Values& values = out.heads.emplace_back(undefined());
  Values& bounds = out.more_than.emplace_back(undefined());
  for (std::size_t s = 0; s < readings.size(); ++s) {
    values[s] = readings[s].value();
    if (readings[s].is_censored()) bounds[s] = readings[s].low;
  }
}

FailedHead failure(std::size_t head, const kernels::Certificate& certificate) {
  for (const kernels::CertificateCheck& check : certificate.checks()) {
    if (!check.holds) return {head, certificate.finite, std::string(check.name), check.error, check.bound};
  }
  return {head, certificate.finite, "certificate", kernels::kUndefined, kernels::kUndefined};
}

}  // namespace

std::size_t followed(std::string_view statistic) {
  const auto place = std::ranges::find(kFollowed, statistic);
  if (place == kFollowed.end() && statistic != "energy")
    throw std::invalid_argument("followed: " + std::string(statistic));
  return static_cast<std::size_t>(place - kFollowed.begin());
}

StatisticInfo info_of(std::string_view statistic) {
  StatisticInfo out;
  const HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, const auto&) {
    if (info.name == statistic) out = info;
  });
  return out;
}

std::vector<Reading> StepValues::readings(std::size_t statistic) const {
  std::vector<Reading> out;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const double bound = h < more_than.size() ? more_than[h][statistic] : kernels::kUndefined;
    out.push_back(std::isnan(bound) ? Reading::known(heads[h][statistic]) : Reading::more_than(bound));
  }
  return out;
}

StepValues step_values(std::int64_t step, const Results& r) {
  StepValues out;
  out.step = step;
  out.loss = kernels::kUndefined;
  const std::size_t field = r.field(r.contexts.size() - 1, 0);
  const auto size = static_cast<std::size_t>(r.num_layers * r.num_heads);
  std::vector<std::vector<Readings>> texts(size);
  std::vector<std::vector<double>> energies(size), key_ranks(size);
  std::vector<bool> has_failed(size, false);
  for (const auto& [key, layer] : r.layers) {
    for (const HeadRecord& record : layer.heads) {
      const auto head = static_cast<std::size_t>((layer.layer - r.first_layer) * r.num_heads + record.head);
      const HeadStatistics& statistics = record.fields[field];
      texts[head].push_back(readings_of(statistics));
      energies[head].push_back(statistics.spectrum.energy);
      key_ranks[head].push_back(static_cast<double>(statistics.coherence.key_rank));
      if (statistics.certificate.certified() || has_failed[head]) continue;
      has_failed[head] = true;
      out.failed.push_back(failure(head, statistics.certificate));
    }
  }
  for (std::size_t h = 0; h < size; ++h) {
    add_head(has_failed[h] ? Readings{} : median_of(texts[h]), out);
    out.energies.push_back(has_failed[h] ? kernels::kUndefined : median(energies[h]));
    out.key_ranks.push_back(has_failed[h] ? kernels::kUndefined : median(key_ranks[h]));
  }
  double sum = 0;
  for (const LossRecord& loss : r.losses) sum += loss.loss;
  if (!r.losses.empty()) out.loss = sum / static_cast<double>(r.losses.size());
  return out;
}

void add_step(const Results& r, StepValues values, HeadSeries& series) {
  series.first_layer = r.first_layer;
  series.num_layers = r.num_layers;
  series.num_heads = r.num_heads;
  series.num_kv_heads = r.num_kv_heads;
  if (const NullDraws* null = r.null_of(r.field(r.contexts.size() - 1, 0))) {
    series.chance.clear();
    for (const auto& [name, statistic] : null->statistics) {
      if (const Reading mean = statistic.mean(); mean.is_known()) series.chance[name] = {mean.value(), statistic.sd()};
    }
  }
  add_step(std::move(values), series);
}

void add_step(StepValues values, HeadSeries& series) {
  const auto place = std::ranges::lower_bound(series.steps, values.step, {}, &StepValues::step);
  if (place != series.steps.end() && place->step == values.step) {
    *place = std::move(values);
  } else {
    series.steps.insert(place, std::move(values));
  }
}

}  // namespace logitfield

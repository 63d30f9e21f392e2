#include "pipeline/results/null_draws.hpp"

#include <cmath>

namespace logitfield {

Reading NullStatistic::mean() const { return draws.empty() ? Reading::known(old_mean) : logitfield::mean(draws); }

double NullStatistic::sd() const {
  if (draws.empty()) return old_sd;
  const double middle = mean().value();
  if (draws.size() < 2) return kernels::kUndefined;
  double squares = 0;
  for (const Reading& r : draws) squares += (r.value() - middle) * (r.value() - middle);  // NaN if one is censored
  return std::sqrt(squares / static_cast<double>(draws.size() - 1));
}

void NullDraws::add(const kernels::HeadStatistics& draw) {
  if (!draw.certificate.certified()) {
    ++failed;
    return;
  }
  ++draws;
  visit_readings(draw, [&](const StatisticInfo& info, const Reading& reading) {
    if (info.kind == Kind::certificate || !reading.is_defined()) return;
    statistics[std::string(info.name)].draws.push_back(reading);
  });
}

}  // namespace logitfield

#include "pipeline/results/chance.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

namespace logitfield {
namespace {

constexpr std::array<std::string_view, 2> kNeverTested{"rank_bound", "zero_sum_residual"};
constexpr std::array<std::string_view, 5> kOfTheScale{"energy", "sigma_max", "max_logit", "attention_entropy",
                                                      "sink_first"};

/// Largest relative difference between routes of the program that counts as rounding.
constexpr double kRelativeResolution = 1e-7;

bool is_whole(std::string_view name) {
  static const std::set<std::string_view> all = [] {
    std::set<std::string_view> out;
    const kernels::HeadStatistics any;
    visit_statistics(any, [&](const StatisticInfo& info, const auto& value) {
      if (std::is_same_v<std::decay_t<decltype(value)>, std::int64_t>) out.insert(info.name);
    });
    return out;
  }();
  return all.contains(name);
}

/// Probability that a further draw is as large as `value`; `draws` in descending order. `tail`: all draws are known, so
/// the tail beyond them can be estimated.
double upper_p_value(double value, const std::vector<double>& draws, double resolution, bool tail) {
  const auto count = static_cast<double>(draws.size());
  const auto reached =
      static_cast<double>(std::ranges::count_if(draws, [&](double draw) { return draw > value - resolution; }));
  if (reached > 0 || !tail) return (1 + reached) / (count + 1);
  // Normalised spacings of an exponential tail are independent and identically distributed (Renyi 1953). Compare the
  // value's own spacing, `beyond`, with those of the k largest draws.
  const std::size_t k = std::max<std::size_t>(1, draws.size() / 2);
  double spacings = static_cast<double>(k) * resolution;
  for (std::size_t i = 0; i < k; ++i) spacings += static_cast<double>(i + 2) * (draws[i] - draws[i + 1]);
  const double beyond = value - draws[0] - resolution;
  if (beyond <= 0) return 1 / (count + 1);
  return std::pow(1 + beyond / spacings, -static_cast<double>(k)) / (count + 1);
}

}  // namespace

bool is_testable(const StatisticInfo& info, Null null) {
  if (info.kind == Kind::certificate || info.units == "position" || std::ranges::count(kNeverTested, info.name) > 0) {
    return false;
  }
  // Draws from a head keep its projections, so they say nothing about statistics of projections.
  if (null == Null::own) return !info.name.starts_with("learned_") && info.name != "spectral_gap";
  return std::ranges::count(kOfTheScale, info.name) == 0;
}

bool is_testable(std::string_view statistic, Null null) {
  bool testable = false;
  const kernels::HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, const auto&) {
    if (info.name == statistic) testable = is_testable(info, null);
  });
  return testable;
}

double resolution_of(const StatisticInfo& info, double value) {
  return is_whole(info.name) ? 1 : kRelativeResolution * std::abs(value);
}

double chance_p_value(const Reading& head, const std::vector<Reading>& draws, double resolution) {
  if (draws.size() < kFewestDraws || !head.is_defined()) return 1;
  const bool known = std::ranges::all_of(draws, &Reading::is_known);
  std::vector<double> highs, lows;
  for (const Reading& draw : draws) {
    highs.push_back(draw.high);
    lows.push_back(-draw.low);
  }
  std::ranges::sort(highs, std::greater<>{});
  std::ranges::sort(lows, std::greater<>{});
  const double upper = upper_p_value(head.low, highs, resolution, known);
  const double lower = upper_p_value(-head.high, lows, resolution, known);
  return std::min(1.0, 2 * std::min(upper, lower));
}

BeyondChance beyond_chance(std::vector<double> p_values) {
  std::ranges::sort(p_values);
  BeyondChance out{std::ssize(p_values), 0};
  const auto heads = static_cast<double>(p_values.size());
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    const auto rank = static_cast<double>(i + 1);
    if (p_values[i] <= kFalseDiscoveryRate * rank / heads) out.beyond = static_cast<std::int64_t>(i + 1);
  }
  return out;
}

}  // namespace logitfield

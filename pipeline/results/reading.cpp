#include "pipeline/results/reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace logitfield {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Interpolates linearly between the order statistics of ascending values. An infinite value with zero weight does not
/// count.
double quantile_of(std::vector<double> values, double fraction) {
  std::ranges::sort(values);
  const double place = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double weight = place - static_cast<double>(below);
  if (weight == 0 || values[below] == values[below + 1]) return values[below];
  if (std::isinf(values[below])) return values[below];
  return values[below] + weight * (values[below + 1] - values[below]);
}

std::vector<double> ends(const std::vector<Reading>& readings, double Reading::*end) {
  std::vector<double> out;
  for (const Reading& r : readings) {
    if (r.is_defined()) out.push_back(r.*end);
  }
  return out;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

/// Whether the name is k50, k90, ...
bool is_count(std::string_view name) { return name.size() == 3 && name[0] == 'k' && std::isdigit(name[1]); }

/// Rank of a field whose leading components alone are known. Singular values below the rank's threshold can carry at
/// most L^3 eps^2 of the energy (5e-14 at a million tokens). If more energy is left, there are further components.
Reading rank_beyond(const kernels::SpectrumStatistics& s) {
  constexpr double kMoreThanRounding = 1e-9;
  if (s.components == 0) return {};
  return Reading::more_than(static_cast<double>(s.components) - (1 - s.captured > kMoreThanRounding ? 0 : 1));
}

}  // namespace

/// An infinite ratio is more than any number.
Reading Reading::known(double value) {
  if (std::isinf(value)) return value > 0 ? more_than(std::numeric_limits<double>::max()) : Reading{};
  return {value, value};
}

Reading product(const Reading& a, const Reading& b) {
  if (!a.is_defined() || !b.is_defined()) return {};
  const auto times = [](double x, double y) { return x == 0 || y == 0 ? 0 : x * y; };
  const Reading out{times(std::max(a.low, 0.0), std::max(b.low, 0.0)), times(a.high, b.high)};
  return out.low == 0 && out.high == kInfinity ? Reading{} : out;
}

Reading ratio(const Reading& a, const Reading& b) {
  if (!a.is_defined() || !b.is_defined() || b.high <= 0) return {};
  return product(a, {1 / b.high, b.low > 0 ? 1 / b.low : kInfinity});
}

std::string text_of(const Reading& r, int digits) {
  if (!r.is_defined()) return "-";
  if (r.is_known()) return fmt::format("{:.{}g}", r.low, digits);
  if (r.low == std::numeric_limits<double>::max()) return "inf";
  if (r.high == kInfinity) return fmt::format("> {:.{}g}", r.low, digits);
  if (r.low == -kInfinity || r.low == 0) return fmt::format("< {:.{}g}", r.high, digits);
  return fmt::format("{:.{}g} to {:.{}g}", r.low, digits, r.high, digits);
}

Reading quantile(const std::vector<Reading>& readings, double fraction) {
  std::vector<double> lows = ends(readings, &Reading::low);
  if (lows.empty()) return {};
  const Reading out{quantile_of(std::move(lows), fraction), quantile_of(ends(readings, &Reading::high), fraction)};
  return out.is_defined() ? out : Reading{};
}

Reading median(const std::vector<Reading>& readings) { return quantile(readings, 0.5); }

Reading mean(const std::vector<Reading>& readings) {
  const std::vector<double> lows = ends(readings, &Reading::low);
  if (lows.empty()) return {};
  const Reading out{mean_of(lows), mean_of(ends(readings, &Reading::high))};
  return out.is_defined() ? out : Reading{};
}

Reading reading_of(std::string_view name, const kernels::HeadStatistics& s, double value) {
  if (!std::isnan(value)) return Reading::known(value);
  const double bound = static_cast<double>(s.spectrum.k_more_than);
  if (is_count(name) && bound >= 0) return Reading::more_than(bound);
  if (name == "rank") return rank_beyond(s.spectrum);
  if (name == "spectral_gap" && s.spectrum.k90 == -1 && bound > 0 && s.learned.k90 > 0) {
    return Reading::less_than(static_cast<double>(s.learned.k90) / bound);
  }
  return {};
}

}  // namespace logitfield

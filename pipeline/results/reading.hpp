#pragma once
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/statistics.hpp"
#include "pipeline/results/schema.hpp"

namespace logitfield {

/// The range in which a number is known to lie. A count that was not computed to its end is *censored*: known to be
/// more than a bound. That is not the same as undefined.
struct Reading {
  /// Equal where the number is known; NaN if it is undefined.
  double low = kernels::kUndefined, high = kernels::kUndefined;

  static Reading known(double value);
  static Reading more_than(double bound) { return {bound, std::numeric_limits<double>::infinity()}; }
  static Reading less_than(double bound) { return {-std::numeric_limits<double>::infinity(), bound}; }

  bool is_known() const { return low == high; }
  /// Whether anything is known.
  bool is_defined() const { return low == low && (low > -infinity() || high < infinity()); }
  bool is_censored() const { return is_defined() && !is_known(); }
  /// NaN if the number is not known.
  double value() const { return is_known() ? low : kernels::kUndefined; }
  /// The number, or its finite bound: the value that a picture shows. An infinite ratio has no such place.
  double place() const { return low > -infinity() ? low : high; }
  bool has_place() const { return is_defined() && place() < std::numeric_limits<double>::max(); }

  bool operator==(const Reading&) const = default;

 private:
  static constexpr double infinity() { return std::numeric_limits<double>::infinity(); }
};

/// Ranges of the product and of the ratio of numbers that are not negative.
Reading product(const Reading& a, const Reading& b);
Reading ratio(const Reading& a, const Reading& b);

/// Text with this many digits: "61", "> 256", "< 0.08", "3 to 7"; "-" where nothing is known.
std::string text_of(const Reading& reading, int digits = 4);

/// Range of a quantile over all defined readings, linear between order statistics. It is a single value where it does
/// not depend on the censored readings.
Reading quantile(const std::vector<Reading>& readings, double fraction);
/// Undefined if all readings are.
Reading median(const std::vector<Reading>& readings);
/// Mean of the defined readings.
Reading mean(const std::vector<Reading>& readings);

/// Reading of the statistic of that name for one head, whose value in `s` is `value`.
Reading reading_of(std::string_view name, const kernels::HeadStatistics& s, double value);

/// Calls visit(StatisticInfo, Reading) for every scalar of `s`, in column order.
template <class Visit>
void visit_readings(const kernels::HeadStatistics& s, Visit&& visit) {
  visit_statistics(s, [&](const StatisticInfo& info, const auto& value) {
    visit(info, reading_of(info.name, s, is_defined(value) ? static_cast<double>(value) : kernels::kUndefined));
  });
}

}  // namespace logitfield

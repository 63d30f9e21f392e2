#pragma once
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/statistics.hpp"
#include "pipeline/results/schema.hpp"

namespace logitfield {

/// What is known of a number: the range that it lies in. A count that was not computed to its end is *censored*: known
/// to be more than a bound, which is not the same as not being defined.
struct Reading {
  /// Equal where the number is known; NaN where there is none.
  double low = kernels::kUndefined, high = kernels::kUndefined;

  static Reading known(double value);
  static Reading more_than(double bound) { return {bound, std::numeric_limits<double>::infinity()}; }
  static Reading less_than(double bound) { return {-std::numeric_limits<double>::infinity(), bound}; }

  bool is_known() const { return low == high; }
  /// Something is known of it.
  bool is_defined() const { return low == low && (low > -infinity() || high < infinity()); }
  bool is_censored() const { return is_defined() && !is_known(); }
  /// NaN where it is not known.
  double value() const { return is_known() ? low : kernels::kUndefined; }
  /// The number, or its finite bound: a place for it in a picture, which has none for an infinite ratio.
  double place() const { return low > -infinity() ? low : high; }
  bool has_place() const { return is_defined() && place() < std::numeric_limits<double>::max(); }

  bool operator==(const Reading&) const = default;

 private:
  static constexpr double infinity() { return std::numeric_limits<double>::infinity(); }
};

/// Of numbers that are not negative: what is known of their product and ratio.
Reading product(const Reading& a, const Reading& b);
Reading ratio(const Reading& a, const Reading& b);

/// "61", "> 256", "< 0.08", "3 to 7"; "-" where nothing is known. Numbers with so many digits.
std::string text_of(const Reading& reading, int digits = 4);

/// Linear between the order statistics of all readings of which something is known: what that says of the quantile. It
/// is known where it does not depend on what is not.
Reading quantile(const std::vector<Reading>& readings, double fraction);
/// Undefined where nothing is known of any.
Reading median(const std::vector<Reading>& readings);
/// Mean of those of which something is known.
Reading mean(const std::vector<Reading>& readings);

/// What a head says of the statistic of that name, whose value in `s` is `value`.
Reading reading_of(std::string_view name, const kernels::HeadStatistics& s, double value);

/// Calls visit(StatisticInfo, Reading) for every scalar of `s`, in column order.
template <class Visit>
void visit_readings(const kernels::HeadStatistics& s, Visit&& visit) {
  visit_statistics(s, [&](const StatisticInfo& info, const auto& value) {
    visit(info, reading_of(info.name, s, is_defined(value) ? static_cast<double>(value) : kernels::kUndefined));
  });
}

}  // namespace logitfield

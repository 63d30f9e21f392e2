#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/report/svg.hpp"

namespace logitfield {

/// Common widths of printed figures, in points: one column (85 mm) and a full page (180 mm).
inline constexpr double kColumnWidth = 241, kPageWidth = 510;
/// Okabe & Ito's palette, which colour-blind readers can tell apart.
inline constexpr const char *kBlue = "#0072b2", *kOrange = "#e69f00", *kGreen = "#009e73", *kSkyBlue = "#56b4e9",
                            *kVermilion = "#d55e00", *kPurple = "#cc79a7", *kGrey = "#767c84";

/// The range of one axis and its ticks.
struct Scale {
  std::string title;
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<std::pair<double, std::string>> ticks;

  /// Maps `low` to 0 and `high` to 1; not finite for values that the axis cannot show.
  double part(double value) const;
};

/// A scale with about six ticks at round numbers. Requires only `low` < `high`.
Scale linear_scale(std::string title, double low, double high);
/// A logarithmic scale over the values, with a margin at both ends. Ignores values that are not positive; without any,
/// spans 0.1 to 1.
Scale logarithmic_scale(std::string title, const std::vector<double>& values);
/// A logarithmic scale over measured contexts (ascending), with ticks at some of them.
Scale context_scale(const std::vector<std::int64_t>& contexts);

/// One panel with its axes: turns values into points, and draws.
class Axes {
 public:
  /// `corner`: left and top of the panel inside the axes.
  Axes(io::svg::Point corner, double width, double height, Scale x, Scale y);

  io::svg::Point at(double x, double y) const;
  /// Axes, ticks and titles; `title` is drawn above.
  std::string frame(const std::string& title) const;
  /// A line through the points; points that are not finite on these axes are left out.
  std::string curve(const std::vector<double>& xs, const std::vector<double>& ys, const char* colour,
                    const char* dashes = "") const;
  std::string band(const std::vector<double>& xs, const std::vector<double>& lows, const std::vector<double>& highs,
                   const char* colour) const;
  /// A legend with one entry a line, in the upper right corner (or the lower right one).
  std::string legend(const std::vector<std::pair<std::string, std::string>>& name_and_colour, bool low = false) const;

 private:
  std::vector<io::svg::Point> points(const std::vector<double>& xs, const std::vector<double>& ys) const;

  io::svg::Point corner_;
  double width_, height_;
  Scale x_, y_;
};

}  // namespace logitfield

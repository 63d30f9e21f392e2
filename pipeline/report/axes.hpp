#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/report/svg.hpp"

namespace logitfield {

/// Widths that journals print, in points: a column (85 mm) and a page (180 mm).
inline constexpr double kColumnWidth = 241, kPageWidth = 510;
/// Okabe & Ito's palette, told apart by the colour-blind.
inline constexpr const char *kBlue = "#0072b2", *kOrange = "#e69f00", *kGreen = "#009e73", *kSkyBlue = "#56b4e9",
                            *kVermilion = "#d55e00", *kPurple = "#cc79a7", *kGrey = "#767c84";

/// What one axis spans, and where its ticks are.
struct Scale {
  std::string title;
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<std::pair<double, std::string>> ticks;

  /// 0 at `low`, 1 at `high`; not finite for what the axis cannot show.
  double part(double value) const;
};

/// With some six ticks at round numbers. Nothing but `low` < `high` is asked.
Scale linear_scale(std::string title, double low, double high);
/// The same; a little is added at both ends. Values that are not positive are left out; no range is left: 0.1 to 1.
Scale logarithmic_scale(std::string title, const std::vector<double>& values);
/// Of measured contexts (ascending), with ticks at some of them.
Scale context_scale(const std::vector<std::int64_t>& contexts);

/// One panel with its axes: turns values into points, and draws.
class Axes {
 public:
  /// `corner`: left and top of the panel inside the axes.
  Axes(io::svg::Point corner, double width, double height, Scale x, Scale y);

  io::svg::Point at(double x, double y) const;
  /// Axes, ticks and titles; `title` stands above.
  std::string frame(const std::string& title) const;
  /// What is not finite on these axes is left out.
  std::string curve(const std::vector<double>& xs, const std::vector<double>& ys, const char* colour,
                    const char* dashes = "") const;
  std::string band(const std::vector<double>& xs, const std::vector<double>& lows, const std::vector<double>& highs,
                   const char* colour) const;
  /// Entries of a legend, one below the other, in the upper right corner (or the lower).
  std::string legend(const std::vector<std::pair<std::string, std::string>>& name_and_colour, bool low = false) const;

 private:
  std::vector<io::svg::Point> points(const std::vector<double>& xs, const std::vector<double>& ys) const;

  io::svg::Point corner_;
  double width_, height_;
  Scale x_, y_;
};

}  // namespace logitfield

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/compare/scaling.hpp"
#include "pipeline/report/axes.hpp"
#include "pipeline/results/phase_clock.hpp"

namespace logitfield {
namespace {

namespace svg = io::svg;

constexpr double kPictureWidth = 200, kPictureHeight = 150, kTop = 20, kLeft = 36, kGap = 44;
/// read, forward, field, communicate, wait
constexpr std::array kColours{kSkyBlue, kBlue, kGreen, kOrange, "#bbbbbb"};
constexpr std::array kClusterColours{kBlue, kVermilion, kGreen, kPurple, kOrange};

/// A scale with ticks at powers of two times `first`.
Scale doubling_scale(std::string title, double low, double first, double last) {
  Scale scale{std::move(title), low, last * 1.05, true, {}};
  const int doublings = static_cast<int>(std::log2(last * 1.001 / first));
  for (int i = 0; i <= doublings; ++i) {
    const double value = std::ldexp(first, i);
    scale.ticks.emplace_back(value, fmt::format("{:g}", value));
  }
  return scale;
}

/// Ranks to the right, speed-up upwards, both logarithmic.
std::string speed_up(const std::vector<ScalingPoint>& points) {
  const auto [few, many] = std::ranges::minmax(points, {}, &ScalingPoint::ranks);
  const double fewest = static_cast<double>(few.ranks), most = static_cast<double>(many.ranks);
  double least = 0.5, top = std::max(2.0, most / fewest);
  for (const ScalingPoint& p : points) least = std::min(least, p.speedup), top = std::max(top, p.speedup);
  const Axes axes({kLeft, kTop}, kPictureWidth, kPictureHeight,
                  doubling_scale("ranks", fewest / 1.05, fewest, std::max(most, 2 * fewest)),
                  doubling_scale("speed-up", least / 1.05, 1, top));
  std::string out = axes.frame("speed-up over ranks (dashed: ideal)");
  out += axes.curve({fewest, most}, {1, most / fewest}, kGrey, "5 4");
  std::vector<std::pair<std::string, std::string>> clusters;
  for (std::size_t first = 0; first < points.size();) {
    const char* colour = kClusterColours[clusters.size() % kClusterColours.size()];
    std::vector<double> xs, ys;
    std::size_t last = first;
    for (; last < points.size() && points[last].cluster == points[first].cluster; ++last) {
      xs.push_back(static_cast<double>(points[last].ranks)), ys.push_back(points[last].speedup);
      out += svg::circle(axes.at(xs.back(), ys.back()), 2.5, colour, fmt::format("{:.3g}", ys.back()));
    }
    out += axes.curve(xs, ys, colour);
    clusters.emplace_back(points[first].cluster, colour);
    first = last;
  }
  return out + axes.legend(clusters, true);
}

/// A bar per run: the ranks' time by phase. The rest, up to 1, is outside all phases (start, writing results).
std::string phases(const std::vector<ScalingPoint>& points) {
  const double left = kLeft + kPictureWidth + kGap, step = kPictureWidth / static_cast<double>(points.size());
  Scale runs{"ranks", 0, static_cast<double>(points.size()), false, {}};
  for (std::size_t i = 0; i < points.size(); ++i) {
    runs.ticks.emplace_back(static_cast<double>(i) + 0.5, std::to_string(points[i].ranks));
  }
  std::string out =
      Axes({left, kTop}, kPictureWidth, kPictureHeight, runs, linear_scale("", 0, 1)).frame("share of the ranks' time");
  for (std::size_t i = 0; i < points.size(); ++i) {
    double bottom = kTop + kPictureHeight;
    for (std::size_t phase = 0; phase < kPhaseNames.size(); ++phase) {
      const double share = points[i].seconds[phase] / points[i].wall_seconds;
      bottom -= kPictureHeight * share;
      out += svg::rectangle({left + step * (static_cast<double>(i) + 0.15), bottom}, 0.7 * step, kPictureHeight * share,
                            kColours[phase], fmt::format("{}: {:.3g}", kPhaseNames[phase], share));
    }
  }
  for (std::size_t phase = 0; phase < kPhaseNames.size(); ++phase) {
    const double y = kTop + kPictureHeight + 34, x = left - 40 + 54 * static_cast<double>(phase);
    out += svg::rectangle({x, y - 6}, 6, 6, kColours[phase]) + svg::text(x + 8, y, kPhaseNames[phase], "start");
  }
  return out;
}

}  // namespace

std::string scaling_picture(const std::vector<ScalingPoint>& points) {
  return svg::document(kPageWidth, kTop + kPictureHeight + 42, speed_up(points) + phases(points));
}

}  // namespace logitfield

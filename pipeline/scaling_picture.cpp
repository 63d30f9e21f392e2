#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "io/markup.hpp"
#include "pipeline/scaling.hpp"
#include "pipeline/timing.hpp"

namespace logitfield {
namespace {

constexpr double kWidth = 360, kHeight = 300, kMargin = 56, kGap = 90;
/// Okabe & Ito's palette, told apart by the colour-blind; read, forward, field, communicate, wait.
constexpr std::array kColours{"#56b4e9", "#0072b2", "#009e73", "#e69f00", "#bbbbbb"};
constexpr std::array kClusterColours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"};

std::string text(double x, double y, const std::string& content, const char* anchor = "middle") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, content);
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, style);
}

/// Ranks to the right, speed-up upwards, both in logarithms.
class SpeedUp {
 public:
  explicit SpeedUp(const std::vector<ScalingPoint>& points) : points_(points) {
    for (const ScalingPoint& p : points) {
      ranks_ = {std::min(ranks_[0], static_cast<double>(p.ranks)), std::max(ranks_[1], static_cast<double>(p.ranks))};
    }
    top_ = std::max(2.0, ranks_[1] / ranks_[0]);
  }

  std::string draw() const {
    std::string out = text(kMargin + kWidth / 2, 28, "speed-up over ranks (dashed: ideal)");
    const char* axis = "stroke=\"#888\"";
    out += line(kMargin, kMargin + kHeight, kMargin + kWidth, kMargin + kHeight, axis);
    out += line(kMargin, kMargin, kMargin, kMargin + kHeight, axis);
    for (double r = ranks_[0]; r <= ranks_[1] * 1.001; r *= 2) {
      out += text(x(r), kMargin + kHeight + 18, fmt::format("{:g}", r));
      out += text(kMargin - 8, y(r / ranks_[0]) + 4, fmt::format("{:g}", r / ranks_[0]), "end");
    }
    out += line(x(ranks_[0]), y(1), x(ranks_[1]), y(ranks_[1] / ranks_[0]), "stroke=\"#888\" stroke-dasharray=\"5 4\"");
    std::size_t cluster = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      const ScalingPoint& p = points_[i];
      const bool goes_on = i > 0 && points_[i - 1].cluster == p.cluster;
      if (i > 0 && !goes_on) ++cluster;
      const char* colour = kClusterColours[cluster % kClusterColours.size()];
      const double px = x(static_cast<double>(p.ranks)), py = y(p.speedup);
      if (goes_on) {
        out += line(x(static_cast<double>(points_[i - 1].ranks)), y(points_[i - 1].speedup), px, py,
                    fmt::format("stroke=\"{}\" stroke-width=\"2\"", colour).c_str());
      } else {
        out += fmt::format(
            "<g fill=\"{}\">{}</g>", colour,
            text(kMargin + 12, kMargin + 14 + 16 * static_cast<double>(cluster), io::markup_text(p.cluster), "start"));
      }
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", px, py, colour);
    }
    return out;
  }

 private:
  double x(double ranks) const {
    const double span = std::max(std::log(ranks_[1] / ranks_[0]), 1e-9);
    return kMargin + kWidth * std::log(ranks / ranks_[0]) / span;
  }
  double y(double speedup) const {
    return kMargin + kHeight * (1 - std::log(std::max(speedup, 0.5) / 0.5) / std::log(top_ / 0.5));
  }

  const std::vector<ScalingPoint>& points_;
  std::array<double, 2> ranks_{1e18, 1};
  double top_ = 2;
};

/// A bar a run: where the ranks' time went, together with what no phase counts (start, writing results).
std::string phases(const std::vector<ScalingPoint>& points) {
  const double left = kMargin + kWidth + kGap, step = kWidth / static_cast<double>(points.size());
  std::string out = text(left + kWidth / 2, 28, "share of the ranks' time");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double x = left + step * (static_cast<double>(i) + 0.15);
    double bottom = kMargin + kHeight;
    for (std::size_t phase = 0; phase < kPhaseNames.size(); ++phase) {
      const double height = kHeight * points[i].seconds[phase] / points[i].wall_seconds;
      bottom -= height;
      out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", x,
                         bottom, 0.7 * step, height, kColours[phase]);
    }
    out += text(x + 0.35 * step, kMargin + kHeight + 18, fmt::format("{}", points[i].ranks));
  }
  for (std::size_t phase = 0; phase < kPhaseNames.size(); ++phase) {
    const double y = kMargin + kHeight + 44, x = left - 60 + 98 * static_cast<double>(phase);
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\"/>\n", x, y - 10,
                       kColours[phase]);
    out += text(x + 15, y, std::string(kPhaseNames[phase]), "start");
  }
  return out;
}

}  // namespace

std::string scaling_picture(const std::vector<ScalingPoint>& points) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n{2}{3}</svg>\n",
      2 * kWidth + kGap + 2 * kMargin, kHeight + 2 * kMargin, SpeedUp(points).draw(), phases(points));
}

}  // namespace logitfield

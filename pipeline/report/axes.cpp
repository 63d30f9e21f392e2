#include "pipeline/report/axes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace logitfield {
namespace {

namespace svg = io::svg;

constexpr const char* kGridColour = "#e3e6ea";
constexpr double kLineHeight = 9;

/// A step of 1, 2 or 5 times a power of ten, so that about six steps span `range`.
double round_step(double range) {
  const double raw = range / 6, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

void add_round_ticks(Scale& scale) {
  const double step = round_step(scale.high - scale.low), slack = 1e-9 * (scale.high - scale.low);
  for (double i = std::ceil((scale.low - slack) / step); i * step <= scale.high + slack; ++i) {
    const double value = i * step + 0.0;  // avoids -0
    scale.ticks.emplace_back(value, fmt::format("{:g}", value));
  }
}

/// Ticks at 1, 2 and 5 times powers of ten if these are few; else at powers of ten.
void add_logarithmic_ticks(Scale& scale) {
  const int first = static_cast<int>(std::floor(std::log10(scale.low)));
  const int last = static_cast<int>(std::ceil(std::log10(scale.high)));
  const bool fine = std::log10(scale.high / scale.low) < 2;
  const int every = 1 + (last - first) / 6;
  for (int power = first; power <= last; ++power) {
    if (power % every != 0) continue;
    for (const double factor : fine ? std::vector{1.0, 2.0, 5.0} : std::vector{1.0}) {
      const double value = factor * std::pow(10, power);
      if (value >= scale.low && value <= scale.high) scale.ticks.emplace_back(value, fmt::format("{:g}", value));
    }
  }
  if (scale.ticks.size() < 3) scale.ticks.clear(), add_round_ticks(scale);
}

}  // namespace

double Scale::part(double value) const {
  return logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
}

Scale linear_scale(std::string title, double low, double high) {
  Scale scale{std::move(title), low, high, false, {}};
  add_round_ticks(scale);
  return scale;
}

Scale logarithmic_scale(std::string title, const std::vector<double>& values) {
  double low = INFINITY, high = 0;
  for (const double v : values) {
    if (v > 0 && std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  }
  if (high == 0) low = 0.1, high = 1;
  Scale scale{std::move(title), low / 1.1, high * 1.1, true, {}};
  add_logarithmic_ticks(scale);
  return scale;
}

Scale context_scale(const std::vector<std::int64_t>& contexts) {
  constexpr std::size_t kMost = 5;
  const auto value = [&](std::size_t i) { return static_cast<double>(contexts[i]); };
  Scale scale{"context (tokens)", value(0) / 1.1, value(contexts.size() - 1) * 1.1, true, {}};
  const std::size_t every = (contexts.size() + kMost - 1) / kMost;
  for (std::size_t i = 0; i < contexts.size(); i += every) {
    scale.ticks.emplace_back(value(i), std::to_string(contexts[i]));
  }
  return scale;
}

Axes::Axes(svg::Point corner, double width, double height, Scale x, Scale y)
    : corner_(corner), width_(width), height_(height), x_(std::move(x)), y_(std::move(y)) {}

svg::Point Axes::at(double x, double y) const {
  return {corner_.first + width_ * x_.part(x), corner_.second + height_ * (1 - y_.part(y))};
}

std::string Axes::frame(const std::string& title) const {
  const auto [left, top] = corner_;
  const double bottom = top + height_, right = left + width_;
  std::string out;
  for (const auto& [value, label] : x_.ticks) {
    const double x = left + width_ * x_.part(value);
    out += svg::line({x, top}, {x, bottom}, kGridColour) + svg::text(x, bottom + 9, label);
  }
  double widest = 0;
  for (const auto& [value, label] : y_.ticks) {
    const double y = top + height_ * (1 - y_.part(value));
    out += svg::line({left, y}, {right, y}, kGridColour) + svg::text(left - 4, y + 2.5, label, "end");
    widest = std::max(widest, static_cast<double>(label.size()));
  }
  out += svg::line({left, bottom}, {right, bottom}, kGrey) + svg::line({left, top}, {left, bottom}, kGrey);
  if (!title.empty()) out += svg::text(left, top - 5, title, "start", "font-weight=\"bold\"");
  if (!x_.title.empty()) out += svg::text(left + width_ / 2, bottom + 19, x_.title);
  if (!y_.title.empty()) {
    const double x = left - 9 - 4 * widest, y = top + height_ / 2;
    out += svg::text(x, y, y_.title, "middle", fmt::format("transform=\"rotate(-90 {:.2f} {:.2f})\"", x, y));
  }
  return out;
}

std::vector<svg::Point> Axes::points(const std::vector<double>& xs, const std::vector<double>& ys) const {
  std::vector<svg::Point> out;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const svg::Point p = at(xs[i], ys[i]);
    if (std::isfinite(p.first) && std::isfinite(p.second)) out.push_back(p);
  }
  return out;
}

std::string Axes::curve(const std::vector<double>& xs, const std::vector<double>& ys, const char* colour,
                        const char* dashes) const {
  return svg::polyline(points(xs, ys), colour, 1, dashes);
}

std::string Axes::band(const std::vector<double>& xs, const std::vector<double>& lows, const std::vector<double>& highs,
                       const char* colour) const {
  std::vector<svg::Point> outline = points(xs, lows), back = points(xs, highs);
  outline.insert(outline.end(), back.rbegin(), back.rend());
  return svg::area(outline, colour);
}

std::string Axes::legend(const std::vector<std::pair<std::string, std::string>>& name_and_colour, bool low) const {
  std::string out;
  const double right = corner_.first + width_ - 3;
  double y = low ? corner_.second + height_ - 4 - kLineHeight * static_cast<double>(name_and_colour.size() - 1)
                 : corner_.second + 8;
  for (const auto& [name, colour] : name_and_colour) {
    out += svg::text(right, y, name, "end", fmt::format("fill=\"{}\"", colour));
    y += kLineHeight;
  }
  return out;
}

}  // namespace logitfield

// Figures with a mark for every head.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/report/axes.hpp"
#include "pipeline/report/figures.hpp"
#include "pipeline/results/head_values.hpp"

namespace logitfield {
namespace {

namespace svg = io::svg;

/// Viridis, a palette that works for the colour-blind and in grey.
constexpr std::array<std::array<double, 3>, 10> kViridis{{{68, 1, 84},
                                                          {72, 40, 120},
                                                          {62, 74, 137},
                                                          {49, 104, 142},
                                                          {38, 130, 142},
                                                          {31, 158, 137},
                                                          {53, 183, 121},
                                                          {110, 206, 88},
                                                          {181, 222, 43},
                                                          {253, 231, 37}}};
constexpr const char* kNoValue = "#d5dae0";

/// `part`: 0 to 1; values beyond are clamped.
std::string viridis(double part) {
  const double place = std::clamp(part, 0.0, 1.0) * static_cast<double>(kViridis.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kViridis.size() - 2);
  std::string out = "#";
  for (std::size_t c = 0; c < 3; ++c) {
    const double mixed =
        kViridis[below][c] + (place - static_cast<double>(below)) * (kViridis[below + 1][c] - kViridis[below][c]);
    out += fmt::format("{:02x}", static_cast<int>(std::lround(mixed)));
  }
  return out;
}

struct HeadName {
  std::int64_t layer, head;
};
HeadName name_of(const Results& r, std::size_t index) {
  const auto i = static_cast<std::int64_t>(index);
  return {r.first_layer + i / r.num_heads, i % r.num_heads};
}

/// Layers downwards, heads across, a colour bar on the right.
class HeatMap {
 public:
  HeatMap(const Results& results, const std::vector<Reading>& values) : r_(results), values_(values) {
    low_ = INFINITY, high_ = -INFINITY;
    for (const Reading& r : values) {
      if (r.has_place()) low_ = std::min(low_, r.place()), high_ = std::max(high_, r.place());
    }
    across_ = std::min(kMostAcross, (kColumnWidth - kLeft - kRight) / static_cast<double>(r_.num_heads));
    down_ = std::clamp(across_, kLeastDown, kMostDown);
  }

  std::string draw(const std::string& title) const {
    const double width = across_ * static_cast<double>(r_.num_heads);
    const double height = std::max(down_ * static_cast<double>(r_.num_layers), kLeastHeight);
    std::string out = svg::text(kLeft, 11, title, "start", "font-weight=\"bold\"");
    out += cells() + labels() + colour_bar(kLeft + width + 8, height);
    return svg::document(kColumnWidth, kTop + height + 26, out);
  }

 private:
  static constexpr double kLeft = 30, kRight = 52, kTop = 18;
  static constexpr double kMostAcross = 24, kLeastDown = 2, kMostDown = 12, kLeastHeight = 40;

  std::string cells() const {
    std::string out = "<g shape-rendering=\"crispEdges\">\n";
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const auto [layer, head] = name_of(r_, i);
      const bool there = values_[i].has_place();
      const double part = high_ > low_ ? (values_[i].place() - low_) / (high_ - low_) : 0.5;
      out += svg::rectangle(
          {kLeft + across_ * static_cast<double>(head), kTop + down_ * static_cast<double>(layer - r_.first_layer)},
          across_, down_, there ? viridis(part) : kNoValue,
          fmt::format("layer {}, head {}: {}", layer, head, text_of(values_[i], 6)));
    }
    return out + "</g>\n";
  }

  std::string labels() const {
    const auto every = [](double room, double size) { return static_cast<std::int64_t>(std::ceil(room / size)); };
    const double bottom = kTop + down_ * static_cast<double>(r_.num_layers);
    std::string out;
    for (std::int64_t l = 0; l < r_.num_layers; l += every(9, down_)) {
      out += svg::text(kLeft - 3, kTop + down_ * (static_cast<double>(l) + 0.5) + 2.5,
                       std::to_string(r_.first_layer + l), "end");
    }
    for (std::int64_t h = 0; h < r_.num_heads; h += every(16, across_)) {
      out += svg::text(kLeft + across_ * (static_cast<double>(h) + 0.5), bottom + 9, std::to_string(h));
    }
    out += svg::text(kLeft + across_ * static_cast<double>(r_.num_heads) / 2, bottom + 19, "head");
    const double y = (kTop + bottom) / 2;
    return out + svg::text(9, y, "layer", "middle", fmt::format("transform=\"rotate(-90 9 {:.2f})\"", y));
  }

  std::string colour_bar(double left, double height) const {
    constexpr int kSteps = 32;
    std::string out;
    for (int i = 0; i < kSteps; ++i) {
      out += svg::rectangle({left, kTop + height * (kSteps - 1 - i) / kSteps}, 8, height / kSteps + 0.1,
                            viridis(i / (kSteps - 1.0)));
    }
    for (const double part : {0.0, 0.5, 1.0}) {
      out += svg::text(left + 11, kTop + height * (1 - part) + 5 * part,
                       fmt::format("{:.3g}", low_ + part * (high_ - low_)), "start");
    }
    return out;
  }

  const Results& r_;
  const std::vector<Reading>& values_;
  double low_ = 0, high_ = 1, across_ = 1, down_ = 1;
};

std::size_t place_of(const std::vector<StatisticInfo>& shown, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(shown, name, &StatisticInfo::name) - shown.begin());
}

/// One mark per head, learned k90 across and field k90 upwards; empty if no head has both.
std::string learned_against_field(const Results& r, const HeadValues& values, const std::string& where) {
  const std::vector<StatisticInfo> shown = shown_statistics();
  const std::vector<Reading>&learned = values[place_of(shown, "learned_k90")], &field = values[place_of(shown, "k90")];
  double most = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (learned[i].is_known() && field[i].is_defined()) most = std::max({most, learned[i].place(), field[i].place()});
  }
  if (most == 0) return "";
  const Axes axes({36, 20}, 190, 190,
                  linear_scale("k90 of W_Q^T W_K with gains (of the weights alone)", 0, 1.08 * most),
                  linear_scale("k90 of the field (components that the text uses)", 0, 1.08 * most));
  std::string out = axes.frame("learned against field: " + where);
  out += svg::line(axes.at(0, 0), axes.at(1.08 * most, 1.08 * most), kGrey, 0.8, "4 3");
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (!learned[i].is_known() || !field[i].is_defined()) continue;
    const auto [layer, head] = name_of(r, i);
    const std::string name =
        fmt::format("layer {}, head {}: {}, {}", layer, head, text_of(learned[i], 6), text_of(field[i], 6));
    out +=
        svg::circle(axes.at(learned[i].place(), field[i].place()), 1.8, field[i].is_known() ? kBlue : kVermilion, name);
  }
  return svg::document(kColumnWidth, 236, out);
}

}  // namespace

std::vector<Figure> head_figures(const Results& results, std::size_t scope) {
  const std::string& name = results.scopes[scope];
  const std::string where = fmt::format("{} field, {} tokens", name, results.contexts.back());
  std::vector<HeadValues> by_text;
  for (std::size_t t = 0; t < results.texts.size(); ++t) {
    by_text.push_back(head_values(results, t, results.field(results.contexts.size() - 1, scope)));
  }
  const HeadValues values = medians_over_texts(by_text);
  const std::vector<StatisticInfo> shown = shown_statistics();
  std::vector<Figure> out;
  for (std::size_t s = 0; s < shown.size(); ++s) {
    if (std::ranges::none_of(values[s], &Reading::has_place)) continue;
    const std::string units = shown[s].units == "1" ? "" : fmt::format(" ({})", shown[s].units);
    out.push_back({fmt::format("heads_{}_{}", name, shown[s].name),
                   HeatMap(results, values[s]).draw(fmt::format("{}{}: {}", shown[s].name, units, where))});
  }
  std::string learned = learned_against_field(results, values, where);
  if (!learned.empty()) out.push_back({"learned_" + name, std::move(learned)});
  return out;
}

}  // namespace logitfield

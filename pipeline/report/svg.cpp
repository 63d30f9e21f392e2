#include "pipeline/report/svg.hpp"

#include <fmt/format.h>

#include "pipeline/report/markup.hpp"

namespace logitfield::io::svg {
namespace {

std::string dashed(std::string_view dashes) {
  return dashes.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dashes);
}

std::string closing(const char* element, std::string_view title) {
  return title.empty() ? "/>\n" : fmt::format("><title>{}</title></{}>\n", markup_text(title), element);
}

std::string joined(const std::vector<Point>& points) {
  std::string out;
  for (const auto& [x, y] : points) out += fmt::format("{}{:.2f},{:.2f}", out.empty() ? "" : " ", x, y);
  return out;
}

}  // namespace

std::string text(double x, double y, std::string_view content, std::string_view anchor, std::string_view attributes) {
  return fmt::format("<text x=\"{:.2f}\" y=\"{:.2f}\" text-anchor=\"{}\"{}{}>{}</text>\n", x, y, anchor,
                     attributes.empty() ? "" : " ", attributes, markup_text(content));
}

std::string line(Point from, Point to, std::string_view colour, double width, std::string_view dashes) {
  return fmt::format(
      "<line x1=\"{:.2f}\" y1=\"{:.2f}\" x2=\"{:.2f}\" y2=\"{:.2f}\" stroke=\"{}\" stroke-width=\"{}\"{}/>\n",
      from.first, from.second, to.first, to.second, colour, width, dashed(dashes));
}

std::string polyline(const std::vector<Point>& points, std::string_view colour, double width, std::string_view dashes) {
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{}/>\n", joined(points),
                     colour, width, dashed(dashes));
}

std::string area(const std::vector<Point>& outline, std::string_view colour) {
  return fmt::format("<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.25\"/>\n", joined(outline), colour);
}

std::string rectangle(Point corner, double width, double height, std::string_view colour, std::string_view title) {
  return fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"{}", corner.first,
                     corner.second, width, height, colour, closing("rect", title));
}

std::string circle(Point centre, double radius, std::string_view colour, std::string_view title) {
  return fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"{}\" fill=\"{}\"{}", centre.first, centre.second, radius,
                     colour, closing("circle", title));
}

std::string document(double width, double height, std::string_view body) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.1f} {1:.1f}\" width=\"{0:.1f}pt\" "
      "height=\"{1:.1f}pt\" font-family=\"sans-serif\" font-size=\"7\" fill=\"#1b1f24\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{2}</svg>\n",
      width, height, body);
}

}  // namespace logitfield::io::svg

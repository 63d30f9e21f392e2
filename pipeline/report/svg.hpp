#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace logitfield::io::svg {

/// Elements of a picture, as text. Lengths are in points (1/72 inch), y grows downwards; colours are SVG's.
using Point = std::pair<double, double>;

/// `anchor`: start, middle or end. `attributes` are inserted unchanged.
std::string text(double x, double y, std::string_view content, std::string_view anchor = "middle",
                 std::string_view attributes = "");
std::string line(Point from, Point to, std::string_view colour, double width = 0.6, std::string_view dashes = "");
std::string polyline(const std::vector<Point>& points, std::string_view colour, double width = 1,
                     std::string_view dashes = "");
/// Filled, with opacity one quarter.
std::string area(const std::vector<Point>& outline, std::string_view colour);
/// `title` is the text that a browser shows when the pointer is over the element; empty: none.
std::string rectangle(Point corner, double width, double height, std::string_view colour, std::string_view title = "");
std::string circle(Point centre, double radius, std::string_view colour, std::string_view title = "");

/// A whole file of that size, white, with text in the reader's sans-serif font of 7 points.
std::string document(double width, double height, std::string_view body);

}  // namespace logitfield::io::svg

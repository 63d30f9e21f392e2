#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// One picture: its file name without extension, and its SVG text.
struct Figure {
  std::string name, svg;
};

/// All figures are for one scope (a place in results.scopes) and for certified heads; see docs/figures.md. Figures for
/// a single context use the longest. A figure without anything to draw is left out, for example the map of a statistic
/// that no head defines. head_figures draws a map of the heads for each statistic (medians over texts), and the learned
/// k90 against the field's k90.
std::vector<Figure> head_figures(const Results& results, std::size_t scope);
/// Spectra, cumulative energy and energy shares over key positions: the median over heads and texts, and the middle
/// half.
std::vector<Figure> curve_figures(const Results& results, std::size_t scope);
/// The main statistics against context, and all statistics against chance.
std::vector<Figure> statistic_figures(const Results& results, std::size_t scope);

/// Writes all figures into a folder, which is created if missing, and reports it; does nothing for an empty path.
void draw_figures(const Results& results, const std::filesystem::path& folder);

}  // namespace logitfield

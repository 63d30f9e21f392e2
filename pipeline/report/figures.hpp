#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/results/results.hpp"

namespace logitfield {

/// One picture: the file's name without its ending, and the SVG that it holds.
struct Figure {
  std::string name, svg;
};

/// All for one scope (a place in results.scopes), over certified heads; see docs/figures.md. Those of one context are
/// of the longest. What cannot be drawn, as a map of a statistic that no head defines, is left out. A map of the heads
/// for each statistic (their median over texts); learned against field k90.
std::vector<Figure> head_figures(const Results& results, std::size_t scope);
/// Spectra, cumulative energy, energy shares over key positions: median over heads and texts, and the middle half.
std::vector<Figure> curve_figures(const Results& results, std::size_t scope);
/// The main statistics against context, and all of them against chance.
std::vector<Figure> statistic_figures(const Results& results, std::size_t scope);

/// Writes all of them into a folder, which is made if it is not there, and says so; nothing for an empty path.
void draw_figures(const Results& results, const std::filesystem::path& folder);

}  // namespace logitfield

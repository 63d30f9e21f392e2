#include "pipeline/report/figures.hpp"

#include "io/console.hpp"
#include "io/file.hpp"

namespace logitfield {

void draw_figures(const Results& results, const std::filesystem::path& folder) {
  if (folder.empty()) return;
  io::make_folder(folder);
  std::size_t written = 0;
  for (std::size_t scope = 0; scope < results.scopes.size(); ++scope) {
    for (const auto& figures : {head_figures, curve_figures, statistic_figures}) {
      for (const Figure& figure : figures(results, scope)) {
        io::write_atomically(folder / (figure.name + ".svg"), figure.svg);
        ++written;
      }
    }
  }
  io::print("{} figures: {}\n", written, folder.string());
}

}  // namespace logitfield

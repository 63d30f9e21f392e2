#include "io/console.hpp"
#include "io/file.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/compare/comparison.hpp"
#include "pipeline/compare/scaling.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace logitfield {
namespace {

void compare_times(const Options& options) {
  std::vector<ScalingPoint> points;
  for (const std::filesystem::path& run : options.runs) {
    points.push_back(scaling_point(run, load_results(io::open_run_folder(run))));
  }
  relate(points);
  if (!options.out.empty()) {
    io::make_folder(options.out);
    write_scaling_csv(points, options.out / "scaling.csv");
    io::write_atomically(options.out / "scaling.svg", scaling_picture(points));
  }
  io::print_text(scaling_table(points));
  if (!options.out.empty()) io::print("written to {} (scaling.csv, scaling.svg)\n", options.out.string());
}

void compare_statistics(const Options& options) {
  const Comparison comparison = compare_runs(options.runs);
  if (!options.out.empty()) write_comparison(comparison, options.out);
  io::print_text(comparison_table(comparison));
  if (options.out.empty()) return;
  io::print("written to {} (comparison.html, comparison.csv, regularities.csv, comparison.nc)\n", options.out.string());
}

}  // namespace

int compare(const Options& options, const mpi::Communicator& world) {
  mpi::agree(world, [&] {
    if (world.rank() != 0) return;
    const Activity comparing(fmt::format("comparing {} runs", options.runs.size()));
    if (options.scaling) {
      compare_times(options);
    } else {
      compare_statistics(options);
    }
  });
  return 0;
}

}  // namespace logitfield

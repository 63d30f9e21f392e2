#include <cstring>

#include "io/console.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/measure/measurement.hpp"
#include "pipeline/mpi/memory_for.hpp"
#include "pipeline/report/figures.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

/// Writes derived files and prints the summary. If that fails, says that nothing is lost.
Results derive(const OpenRun& run, const std::filesystem::path& plots) {
  try {
    return mpi::memory_for(
        [&] {
          Results results = load_results(run.folder);
          io::print_text(summary_table(write_derived(results, run.folder)));
          draw_figures(results, plots);
          return results;
        },
        "the tables and the report");
  } catch (...) {
    const std::string root = run.folder.root.string();
    io::tell(
        "the run is complete, and every result is in {}/journal; after fixing the problem, write the tables and the "
        "report with `logitfield report {}`",
        root, root);
    throw;
  }
}

/// For rank 0, after the last record: writes derived files and prints the summary. Returns the exit code.
int finish_run(const OpenRun& run, const std::filesystem::path& plots) {
  const Results results = derive(run, plots);
  io::print("results: {} (report.html, heads.csv, results.nc, summary.json)\n", run.folder.root.string());
  if (const std::int64_t failed = results.failed_heads()) {
    io::tell("{} head measurements failed their certificate: see column 'certified' of {}", failed,
             run.folder.heads_csv().string());
    return 3;
  }
  return 0;
}

/// For rank 0, after the last record of a run that a signal stopped.
void report_stop(const OpenRun& run, int signal) {
  const Results results = load_results(run.folder);
  io::tell("stopped by signal {} ({}): {} of {} layers over all texts are saved in {}; continue with --resume", signal,
           ::sigabbrev_np(signal), results.layers.size(), std::ssize(results.texts) * results.num_layers,
           run.folder.root.string());
}

}  // namespace

int analyze(const Options& options, const mpi::Communicator& world) {
  const Measurement measurement = measure(options, world);
  if (measurement.stopped_by != 0) {
    if (world.rank() == 0) report_stop(*measurement.run, measurement.stopped_by);
    return 128 + measurement.stopped_by;
  }
  const int code = world.rank() == 0 ? finish_run(*measurement.run, options.plots) : 0;
  return world.max(code);
}

}  // namespace logitfield

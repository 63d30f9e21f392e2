#include "io/console.hpp"
#include "io/error.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/monitor/store.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/report/figures.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

void report_monitor(const std::filesystem::path& root) {
  const MonitorStore store(root);
  store.write_derived();
  io::print_text(monitor_header());
  for (const StepValues& step : store.series().steps) io::print_text(monitor_row(store, step));
  io::print("\n{}", alert_list(store.alerts()));
}

}  // namespace

int report(const Options& options, const mpi::Communicator& world) {
  mpi::agree(world, [&] {
    if (world.rank() != 0) return;
    const Activity rebuilding("rebuilding " + options.run.string());
    if (MonitorStore::is_monitor(options.run)) return report_monitor(options.run);
    const io::RunFolder folder = io::open_run_folder(options.run);
    const Results results = load_results(folder);
    if (results.layers.empty()) throw InputError("{}: the journal holds no finished layer", folder.journal().string());
    io::print_text(summary_table(write_derived(results, folder)));
    draw_figures(results, options.plots);
    if (!results.complete()) {
      io::print("incomplete: {} of {} layers and texts\n", results.layers.size(),
                std::ssize(results.texts) * results.num_layers);
    }
  });
  return 0;
}

}  // namespace logitfield

#include <fmt/format.h>

#include "io/console.hpp"
#include "io/error.hpp"
#include "io/hash.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/forward/capture_difference.hpp"
#include "pipeline/forward/input_check.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/plan/machine.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {
namespace {

void print_once(const mpi::Communicator& world, const std::string& text) {
  if (world.rank() == 0) io::print_text(text);
}

int validate_run(const std::filesystem::path& root) {
  const Activity reading("reading " + root.string());
  const Results results = load_results(io::open_run_folder(root));
  const std::int64_t failed = results.failed_heads();
  io::print("{}: {} of {} layers and texts, {} head measurements failed their certificate\n", root.string(),
            results.layers.size(), std::ssize(results.texts) * results.num_layers, failed);
  if (!results.damage.empty()) throw InputError("{}; resume the run to rewrite the journal", results.damage);
  if (!results.complete()) throw InputError("{}: the run is not complete; continue with --resume", root.string());
  return failed > 0 ? 3 : 0;
}

/// Compares the model's Q, K and logits with a capture's. Returns 3 if they differ by more than --tolerance.
int validate_against(const Options& options, const mpi::Communicator& world) {
  PhaseClock clock;
  Machine machine = this_machine(world);
  std::unique_ptr<io::Capture> capture;
  std::unique_ptr<kernels::Backend> backend = open_backend(options, world, machine);
  Job job;
  Plan plan;
  mpi::agree(world, [&] {
    capture = std::make_unique<io::Capture>(options.against);
    job = comparison_job(options, *capture);
    plan = plan_for(job, options, machine, backend);
  });
  Continuation continuation(job);
  const Differences differences = compare({job, plan, *backend, world, clock, continuation}, *capture);
  print_once(world, describe(differences, options.tolerance));
  if (differences.unexplained() <= options.tolerance) return 0;
  print_once(world, fmt::format("the differences exceed --tolerance {:g}: do not trust this program's results for {}\n",
                                options.tolerance, job.model_name()));
  return 3;
}

}  // namespace

int validate(const Options& options, const mpi::Communicator& world) {
  int code = 0;
  if (!options.run.empty()) {
    mpi::agree(world, [&] {
      if (world.rank() == 0) code = validate_run(options.run);
    });
    return world.max(code);
  }
  if (!options.against.empty()) return validate_against(options, world);
  Job job;
  mpi::agree(world, [&] { job = open_input(options); });
  const std::uint64_t hash = check_and_hash_input(job, world);
  print_once(world, fmt::format("{}: valid, {} layers x {} heads over {} KV heads of dimension {}, {}\n",
                                job.model_name(), job.num_layers, job.extents.num_heads, job.extents.num_kv_heads,
                                job.head_dim, io::hash_text(hash)));
  for (const std::string& notice : job.notices()) print_once(world, notice + "\n");
  return 0;
}

}  // namespace logitfield

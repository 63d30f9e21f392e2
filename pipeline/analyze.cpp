#include <fmt/format.h>

#include <optional>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/journal.hpp"
#include "io/run_folder.hpp"
#include "pipeline/assembler.hpp"
#include "pipeline/capture_dump.hpp"
#include "pipeline/commands.hpp"
#include "pipeline/layer_loop.hpp"
#include "pipeline/machine.hpp"
#include "pipeline/manifest.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/null.hpp"
#include "pipeline/progress.hpp"
#include "pipeline/results.hpp"
#include "pipeline/summary.hpp"

namespace logitfield {
namespace {

std::vector<std::string> gather_hosts(const mpi::Communicator& world) {
  const std::string host = mpi::host_name();
  std::vector<std::string> hosts;
  for (const auto& name : world.gather(std::as_bytes(std::span(host)))) {
    hosts.emplace_back(reinterpret_cast<const char*>(name.data()), name.size());
  }
  return hosts;
}

/// The run's folder and its open journal; if either cannot be written, nothing is left behind.
struct OpenRun {
  io::RunFolder folder;
  io::Journal journal;
};

OpenRun start_run(const std::filesystem::path& root, const nlohmann::json& manifest) {
  const io::RunFolder folder = io::create_run_folder(root);
  try {
    io::write_atomically(folder.manifest(), manifest.dump(1) + "\n");
    return {folder, io::Journal::create(folder.journal())};
  } catch (...) {
    std::filesystem::remove_all(folder.root);
    throw;
  }
}

RankRecord rank_record(const mpi::Communicator& world, const PhaseClock& clock) {
  RankRecord record{world.rank(), mpi::host_name(), {}, clock.wall_seconds(), peak_memory_bytes()};
  for (std::size_t p = 0; p < kPhaseNames.size(); ++p) {
    record.seconds.emplace_back(kPhaseNames[p], clock.seconds(static_cast<Phase>(p)));
  }
  return record;
}

/// Rank 0, after the last record: derived files, and the summary on standard output. Returns the exit code.
int finish_run(const OpenRun& run) {
  const Results results = load_results(run.folder);
  fmt::print("{}", summary_table(write_derived(results, run.folder)));
  fmt::print("results: {} (heads.csv, results.nc, summary.json)\n", run.folder.root.string());
  if (const std::int64_t failed = results.failed_heads()) {
    fmt::print(stderr, "logitfield: {} head measurements failed their certificate: see column 'certified' of {}\n",
               failed, run.folder.heads_csv().string());
    return 3;
  }
  return 0;
}

}  // namespace

int analyze(const Options& options, const mpi::Communicator& world) {
  PhaseClock clock;
  const bool root = world.rank() == 0;
  const Machine machine = this_machine(world);
  Job job;
  Plan plan;
  std::unique_ptr<kernels::Backend> backend;
  mpi::agree(world, [&] {
    if (root) io::check_new_run_folder(options.out, 0);
    backend = open_backend(options, machine);
    job = open_job(options);
    plan = make_plan(job, options, machine);
    if (root) io::check_new_run_folder(options.out, plan.result_bytes);
  });
  const std::uint64_t input_hash = clock.time(Phase::read, [&] { return check_and_hash_input(job, world); });
  const std::vector<std::string> hosts = gather_hosts(world);
  std::optional<OpenRun> run;
  mpi::agree(world, [&] {
    if (root) start_captures(job);
    if (root) run = start_run(options.out, make_manifest(job, plan, *backend, input_hash, hosts));
  });

  std::optional<Progress> progress;
  if (root) progress.emplace(job.num_texts() * job.measured_layers.size());
  Assembler assembler(plan.partition.grid.shards, [&](Record record) {
    run->journal.append(encode(record));
    if (std::holds_alternative<LayerRecord>(record)) progress->advance();
  });
  ResultChannel results(world, [&](Record record) { assembler.add(std::move(record)); });
  const RunContext context{{job, plan, *backend, world, clock}, results};
  if (job.capture) {
    run_capture(context);
  } else {
    run_model(context);
  }
  results.finish(expected_records(job, plan));
  progress.reset();
  for (const NullRecord& null : measure_null(context)) run->journal.append(encode(null));

  int code = 0;
  if (root) finish_captures(job);
  for (const auto& bytes : world.gather(encode(rank_record(world, clock)))) run->journal.append(bytes);
  if (root) code = finish_run(*run);
  return -world.min(-code);
}

}  // namespace logitfield

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include <optional>

#include "io/error.hpp"
#include "pipeline/capture_dump.hpp"
#include "pipeline/commands.hpp"
#include "pipeline/figures.hpp"
#include "pipeline/journal_writer.hpp"
#include "pipeline/layer_loop.hpp"
#include "pipeline/machine.hpp"
#include "pipeline/manifest.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/null.hpp"
#include "pipeline/open_run.hpp"
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

/// Is there a run that --resume may go on with?
bool goes_on(const Options& options) { return options.resume && std::filesystem::exists(options.out); }

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

SessionRecord session_record(std::int64_t session, const nlohmann::json& manifest, const Plan& plan) {
  return {session,
          manifest.at("started"),
          manifest.at("grid"),
          manifest.at("weights"),
          manifest.at("backend"),
          manifest.at("hosts"),
          environment("SLURM_CLUSTER_NAME"),
          environment("SLURM_JOB_ID"),
          plan.forward_flops + plan.field_flops};
}

RankRecord rank_record(std::int64_t session, const mpi::Communicator& world, const PhaseClock& clock) {
  RankRecord record{session, world.rank(), mpi::host_name(), {}, clock.wall_seconds(), peak_memory_bytes()};
  for (std::size_t p = 0; p < kPhaseNames.size(); ++p) {
    record.seconds.emplace_back(kPhaseNames[p], clock.seconds(static_cast<Phase>(p)));
  }
  return record;
}

/// Rank 0, after the last record: derived files, and the summary on standard output. Returns the exit code.
int finish_run(const OpenRun& run, const std::filesystem::path& plots) {
  std::filesystem::remove_all(run.folder.state());
  const Results results = load_results(run.folder);
  fmt::print("{}", summary_table(write_derived(results, run.folder)));
  fmt::print("results: {} (report.html, heads.csv, results.nc, summary.json)\n", run.folder.root.string());
  draw_figures(results, plots);
  if (const std::int64_t failed = results.failed_heads()) {
    fmt::print(stderr, "logitfield: {} head measurements failed their certificate: see column 'certified' of {}\n",
               failed, run.folder.heads_csv().string());
    return 3;
  }
  return 0;
}

/// Rank 0, after the last record of a run that was stopped.
void report_stop(const OpenRun& run, int signal) {
  const Results results = load_results(run.folder);
  fmt::print(
      stderr,
      "logitfield: stopped by signal {} ({}): {} of {} layers over all texts are saved in {}; go on with --resume\n",
      signal, ::sigabbrev_np(signal), results.layers.size(), std::ssize(results.texts) * results.num_layers,
      run.folder.root.string());
}

}  // namespace

int analyze(const Options& options, const mpi::Communicator& world) {
  PhaseClock clock;
  const bool root = world.rank() == 0;
  Machine machine = this_machine(world);
  Job job;
  Plan plan;
  mpi::agree(world, [&] {
    catch_stop_signals();
    if (root && !goes_on(options)) io::check_new_run_folder(options.out, 0);
  });
  std::unique_ptr<kernels::Backend> backend = open_backend(options, world, machine);
  mpi::agree(world, [&] {
    job = open_job(options);
    plan = plan_for(job, options, machine, backend);
    if (root && !goes_on(options)) io::check_new_run_folder(options.out, plan.result_bytes);
  });
  if (const std::string reason = fallback_reason(options, *backend); root && !reason.empty()) {
    fmt::print(stderr, "logitfield: no GPU is used: {}\n", reason);
  }
  const std::uint64_t input_hash = clock.time(Phase::read, [&] { return check_and_hash_input(job, world); });
  const std::vector<std::string> hosts = gather_hosts(world);
  std::optional<OpenRun> run;
  std::string known;
  mpi::agree(world, [&] {
    if (!root) return;
    const nlohmann::json manifest = make_manifest(job, plan, *backend, input_hash, hosts);
    run.emplace(options.resume ? resume_run(options.out, job, manifest) : start_run(options.out, job, manifest));
    run->journal.append(encode(Record(session_record(run->done.sessions, manifest, plan))));
    known = encode(run->done);
  });
  Done done = decode_done(world.broadcast(std::move(known), 0));

  StopNotice notice(world);
  Continuation continuation(job, done, io::RunFolder{std::filesystem::absolute(options.out)}.state(), notice);
  std::optional<JournalWriter> writer;
  if (root) writer.emplace(job, plan, *run);
  ResultChannel results(world, [&](Record record) { writer->add(std::move(record)); });
  const RunContext context{{job, plan, *backend, world, clock, continuation}, results};
  if (job.capture) {
    run_capture(context);
  } else {
    run_model(context);
  }
  clock.time(Phase::wait, [&] { results.finish(); });
  notice.drain();
  writer.reset();
  const int stopped_by = -world.min(continuation.stopped() ? -notice.poll() : 0);
  if (stopped_by == 0 && !done.nulls) {
    for (const NullRecord& null : measure_null(context)) run->journal.append(encode(null));
  }
  for (const auto& bytes : world.gather(encode(rank_record(done.sessions, world, clock)))) run->journal.append(bytes);
  if (stopped_by != 0) {
    if (root) report_stop(*run, stopped_by);
    return 128 + stopped_by;
  }
  int code = 0;
  if (root) finish_captures(job);
  if (root) code = finish_run(*run, options.plots);
  return -world.min(-code);
}

}  // namespace logitfield

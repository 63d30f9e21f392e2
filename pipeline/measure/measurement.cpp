#include "pipeline/measure/measurement.hpp"

#include <cstdlib>

#include "io/console.hpp"
#include "io/error.hpp"
#include "pipeline/forward/input_check.hpp"
#include "pipeline/measure/gaussian_null.hpp"
#include "pipeline/measure/layer_loop.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/mpi/memory_for.hpp"
#include "pipeline/plan/machine.hpp"
#include "pipeline/run/capture_dump.hpp"
#include "pipeline/run/journal_writer.hpp"

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

/// Whether there is a run that --resume may resume.
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

/// The input of a measurement, opened as far as headers go, and its plan.
struct Opened {
  Job job;
  Plan plan;
  std::unique_ptr<kernels::Backend> backend;
};

/// Collective; throws mpi::AgreedError.
Opened open(const Options& options, const mpi::Communicator& world) {
  Machine machine = this_machine(world);
  Opened out;
  out.backend = open_backend(options, world, machine);
  mpi::agree(world, [&] {
    out.job = mpi::memory_for([&] { return open_job(options); }, "the description of the model and its texts");
    out.plan = plan_for(out.job, options, machine, out.backend);
  });
  return out;
}

/// Measures all units that are not done yet. Afterwards the journal is complete, or a signal stopped the run.
void carry_out(const Opened& opened, const Options& options, const mpi::Communicator& world, PhaseClock& clock,
               const Done& done, Measurement& out) {
  const Job& job = opened.job;
  const Plan& plan = opened.plan;
  const bool root = world.rank() == 0;
  StopNotice notice(world);
  Continuation continuation(job, done, io::RunFolder{std::filesystem::absolute(options.out)}.state(), notice);
  std::optional<JournalWriter> writer;
  if (root) writer.emplace(job, plan, *out.run);
  ResultChannel results(world, [&](Record record) { writer->add(std::move(record)); });
  const RunContext context{{job, plan, *opened.backend, world, clock, continuation}, results};
  mpi::memory_for([&] { job.is_capture() ? run_capture(context) : run_model(context); }, "the forward pass of {}",
                  job.model_name());
  clock.time(Phase::wait, [&] { results.finish(); });
  notice.drain();
  writer.reset();
  out.stopped_by = world.max(continuation.stopped() ? notice.poll() : 0);
  if (out.stopped_by == 0 && !done.nulls) {
    const auto nulls =
        mpi::memory_for([&] { return measure_null(context); }, "the {} Gaussian heads of --null", plan.null_draws);
    for (const NullRecord& null : nulls) out.run->journal.append(encode(null));
  }
  for (const auto& bytes : world.gather(encode(rank_record(done.sessions, world, clock)))) {
    out.run->journal.append(bytes);
  }
  if (root && out.stopped_by == 0) {
    finish_captures(job);
    std::filesystem::remove_all(out.run->folder.state());
  }
}

}  // namespace

nlohmann::json planned_manifest(const Options& options, const mpi::Communicator& world) {
  const Opened opened = open(options, world);
  return make_manifest(opened.job, opened.plan, *opened.backend, 0, {});
}

Measurement measure(const Options& options, const mpi::Communicator& world, const MeasurementRules& rules) {
  PhaseClock clock;
  const bool root = world.rank() == 0;
  const auto check_folder = [&](std::uint64_t bytes) {
    if (!root || goes_on(options)) return;
    try {
      io::check_new_run_folder(options.out, bytes);
    } catch (const io::FolderExists& error) {
      throw InputError("{}; if it holds this run, continue with --resume", error.what());
    }
  };
  std::optional<NothingToSave> while_reading;
  mpi::agree(world, [&] {
    catch_stop_signals();
    while_reading.emplace();
    check_folder(0);
  });
  const Opened opened = open(options, world);
  const auto& [job, plan, backend] = opened;
  if (const std::string reason = fallback_reason(options, *backend); root && !reason.empty()) {
    io::tell("no GPU is used: {}", reason);
  }
  // A monitor would repeat the notices at every checkpoint.
  if (root && options.command == Command::analyze) {
    for (const std::string& notice : job.notices()) io::tell_text(notice);
  }
  mpi::agree(world, [&] { check_folder(opened.plan.result_bytes); });
  Measurement out;
  const std::uint64_t input_hash = clock.time(Phase::read, [&] {
    return check_and_hash_input(opened.job, world, rules.tells_not_finite ? &out.not_finite : nullptr);
  });
  while_reading.reset();
  if (!out.not_finite.empty()) return out;
  const std::vector<std::string> hosts = gather_hosts(world);
  std::string known;
  mpi::agree(world, [&] {
    if (!root) return;
    const nlohmann::json manifest = make_manifest(opened.job, opened.plan, *opened.backend, input_hash, hosts);
    rules.admit(manifest);
    out.run.emplace(options.resume ? resume_run(options.out, opened.job, manifest)
                                   : start_run(options.out, opened.job, manifest));
    out.run->journal.append(encode(Record(session_record(out.run->done.sessions, manifest, opened.plan))));
    known = encode(out.run->done);
  });
  const Done done = decode_done(world.broadcast(std::move(known), 0));
  try {
    carry_out(opened, options, world, clock, done, out);
  } catch (...) {
    io::tell("all finished work is in {}; after fixing the problem, the same command{} resumes the run",
             options.out.string(), options.command == Command::analyze ? " with --resume" : "");
    throw;
  }
  return out;
}

}  // namespace logitfield

#include <fmt/ranges.h>

#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "io/console.hpp"
#include "io/error.hpp"
#include "io/json.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/job/option_checks.hpp"
#include "pipeline/measure/measurement.hpp"
#include "pipeline/monitor/store.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/run/stop_notice.hpp"

namespace logitfield {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// A checkpoint to be measured, and the stamps of its files.
struct Pending {
  io::StepFolder checkpoint;
  json stamps;
};

/// Finds the next checkpoint to measure. Used on rank 0 only.
class Watch {
 public:
  Watch(const Options& options, io::StepNames names, const MonitorStore& store)
      : options_(options), names_(std::move(names)), store_(store) {}

  /// The earliest checkpoint that has been measured, if any.
  std::optional<Pending> known() {
    for (const io::StepFolder& checkpoint : find()) {
      if (store_.knows(checkpoint)) return Pending{checkpoint, nullptr};
    }
    return std::nullopt;
  }

  /// The earliest unmeasured checkpoint, if any. With --follow its files must not have changed since the last look.
  std::optional<Pending> next() {
    std::map<fs::path, json> seen;
    std::optional<Pending> out;
    for (const io::StepFolder& checkpoint : find()) {
      if (store_.knows(checkpoint)) continue;
      json stamps = io::file_stamps(checkpoint.path);
      if (!out && (!options_.follow || is_complete(checkpoint, stamps))) out = Pending{checkpoint, stamps};
      seen.emplace(checkpoint.path, std::move(stamps));
    }
    seen_ = std::move(seen);
    return out;
  }

 private:
  /// Finds the series. Reports each checkpoint that is left out, and stages that no longer exist, once.
  std::vector<io::StepFolder> find() {
    io::StepFolders all = io::find_step_folders(options_.checkpoints, names_, store_.measured());
    if (!all.gone.empty() && !std::exchange(told_of_gone_, true)) {
      io::tell(
          "{} and other checkpoints of earlier stages no longer exist; their values stay in the series, and later "
          "stages keep their step numbers",
          all.gone.back().string());
    }
    for (const io::LeftOut& one : all.left_out) {
      std::string text = fmt::format("left out: {}: {}", one.path.string(), one.reason);
      if (told_.insert(text).second) io::tell_text(text);
    }
    return std::move(all.found);
  }

  /// Nothing marks a checkpoint as complete. So it counts as complete if its files have not changed since the last look
  /// and hold all the data that their headers announce.
  bool is_complete(const io::StepFolder& checkpoint, const json& stamps) {
    const auto before = seen_.find(checkpoint.path);
    if (before == seen_.end() || before->second != stamps) return false;
    try {
      if (checkpoint.is_capture) {
        io::Capture(checkpoint.path);
      } else {
        io::Checkpoint(checkpoint.path);
      }
      return true;
    } catch (const InputError& error) {
      if (complained_[checkpoint.path] != stamps) {
        io::tell("{} cannot be read yet; waiting for it to change: {}", checkpoint.path.string(), error.what());
      }
      complained_[checkpoint.path] = stamps;
      return false;
    }
  }

  const Options& options_;
  const io::StepNames names_;
  const MonitorStore& store_;
  /// Messages already printed about checkpoints that are left out.
  std::set<std::string> told_;
  bool told_of_gone_ = false;
  /// File stamps of unmeasured checkpoints: at the last look, and when they could not be read.
  std::map<fs::path, json> seen_, complained_;
};

io::StepNames names_of(const Options& options) {
  if (options.step_pattern.empty()) return {};
  return io::StepNames(options.step_pattern);
}

/// Throws InputError, listing the folders left out, if there is no checkpoint to measure.
void check_any(const Options& options, const io::StepNames& names) {
  const io::StepFolders all = io::find_step_folders(options.checkpoints, names);
  if (!all.found.empty()) return;
  if (all.left_out.empty()) {
    throw InputError("{}: holds no checkpoint; give folders with config.json or capture.json, or a folder of them",
                     options.checkpoints.front().string());
  }
  std::vector<std::string> list;
  for (const io::LeftOut& one : all.left_out) list.push_back(fmt::format("{}: {}", one.path.string(), one.reason));
  throw InputError("no checkpoint's name gives its step ({}); use names like step_000128, or give --step-pattern REGEX",
                   fmt::join(list, "; "));
}

/// Encodes as CBOR, since a path need not be UTF-8.
std::string encode(const std::optional<Pending>& pending) {
  json out;
  if (pending) {
    const io::StepFolder& c = pending->checkpoint;
    out = {{"step", c.step}, {"path", c.path.string()}, {"is_capture", c.is_capture}, {"stamps", pending->stamps}};
  }
  const std::vector<std::uint8_t> bytes = json::to_cbor(out);
  return {bytes.begin(), bytes.end()};
}

std::optional<Pending> decode_pending(const std::string& text) {
  const json j = json::from_cbor(text);
  if (j.is_null()) return std::nullopt;
  return Pending{{j.at("step"), j.at("path").get<std::string>(), j.at("is_capture")}, j.at("stamps")};
}

/// Sleeps for `seconds`. Returns the signal that ended the sleep, or 0. Collective.
int wait(double seconds, const mpi::Communicator& world) {
  constexpr std::chrono::milliseconds slice{100};
  StopNotice notice(world);
  int signal = 0;
  for (auto left = std::int64_t(1e3 * seconds); left > 0 && signal == 0; left -= slice.count()) {
    std::this_thread::sleep_for(slice);
    signal = world.max(notice.poll());
  }
  notice.drain();
  return signal;
}

/// Returns the options with which `analyze` would measure the checkpoint.
Options options_of(const Options& options, const io::StepFolder& checkpoint) {
  Options out = options;
  (checkpoint.is_capture ? out.capture : out.model) = checkpoint.path;
  out.out = MonitorFolder{options.out}.run(checkpoint.step);
  out.resume = true;
  check_texts(out);
  return out;
}

/// For a resumed monitor: checks that its steps were measured with the same settings. Collective.
void check_settings(const Options& options, const std::optional<Pending>& known, MonitorStore* store,
                    const mpi::Communicator& world) {
  if (!known) return;
  Options one;
  mpi::agree(world, [&] { one = options_of(options, known->checkpoint); });
  const json manifest = planned_manifest(one, world);
  mpi::agree(world, [&] {
    if (store) store->admit(known->checkpoint, manifest);
  });
}

/// Removes the unfinished measurement of a checkpoint that has been overwritten since it began: it could never be
/// finished, since the weights that it belongs to are gone.
void discard_outdated(const io::StepFolder& checkpoint, const io::RunFolder& run, const json& manifest) {
  if (!fs::exists(run.manifest())) return;
  const json before = io::read_json(run.manifest());
  const json::json_pointer hash("/model/hash");
  if (!before.contains(hash) || before[hash] == manifest.at(hash)) return;
  io::tell("{}: has changed since its measurement began, which starts anew", checkpoint.path.string());
  fs::remove_all(run.root);
}

/// Measures one checkpoint into its run folder and the store (rank 0's). Returns the signal that stopped it.
/// Collective.
int measure_step(const Options& options, const Pending& pending, MonitorStore* store, const mpi::Communicator& world) {
  const io::StepFolder& checkpoint = pending.checkpoint;
  Options one;
  mpi::agree(world, [&] { one = options_of(options, checkpoint); });
  const Measurement measurement = measure(one, world, {.tells_not_finite = true, .admit = [&](const json& manifest) {
                                                         store->admit(checkpoint, manifest);
                                                         discard_outdated(checkpoint, io::RunFolder{one.out}, manifest);
                                                       }});
  if (measurement.stopped_by != 0) return measurement.stopped_by;
  mpi::agree(world, [&] {
    if (!store) return;
    if (measurement.run) {
      const Results results = load_results(measurement.run->folder);
      write_derived(results, measurement.run->folder);
      store->add(checkpoint, pending.stamps, results);
    } else {
      store->add(checkpoint, pending.stamps, measurement.not_finite);
    }
  });
  return 0;
}

/// Brings the derived files up to date.
void write(const MonitorStore& store) {
  if (!store.series().steps.empty()) store.write_derived();
}

/// For rank 0, once every checkpoint found so far has been measured.
void tell_all(const MonitorStore& store) {
  write(store);
  io::print("\n{}", alert_list(store.alerts()));
  io::print("{} alerts in {} checkpoints\nresults: {} (monitor.html, series.csv, alerts.jsonl)\n",
            store.alerts().size(), store.series().steps.size(), store.folder().root.string());
}

/// For rank 0, after a step; with --follow, alerts are printed at once.
void tell_step(const MonitorStore& store, std::int64_t step, bool follows) {
  for (const StepValues& values : store.series().steps) {
    if (values.step == step) io::print_text(monitor_row(store, values));
  }
  if (follows) {
    write(store);
    io::print_text(alert_list(store.alerts_of(step)));
  }
}

void report_stop(const MonitorStore& store, int signal) {
  write(store);
  io::tell("stopped by signal {} ({}): {} checkpoints are measured in {}; the same command resumes the monitor", signal,
           ::sigabbrev_np(signal), store.series().steps.size(), store.folder().root.string());
}

}  // namespace

int monitor(const Options& options, const mpi::Communicator& world) {
  std::optional<MonitorStore> store;
  std::optional<Watch> watch;
  std::string known;
  mpi::agree(world, [&] {
    catch_stop_signals();
    if (world.rank() != 0) return;
    const io::StepNames names = names_of(options);
    if (!options.follow) check_any(options, names);
    store.emplace(options.out, options.thresholds);
    watch.emplace(options, names, *store);
    known = encode(watch->known());
  });
  MonitorStore* const mine = store ? &*store : nullptr;
  check_settings(options, decode_pending(world.broadcast(std::move(known), 0)), mine, world);
  mpi::agree(world, [&] {
    if (!mine) return;
    write(*mine);
    io::print_text(monitor_header());
    for (const StepValues& step : mine->series().steps) io::print_text(monitor_row(*mine, step));
  });
  while (true) {
    std::string text;
    mpi::agree(world, [&] {
      if (mine) text = encode(watch->next());
    });
    const auto pending = decode_pending(world.broadcast(std::move(text), 0));
    if (!pending && !options.follow) break;
    const int signal = pending ? measure_step(options, *pending, mine, world) : wait(options.interval, world);
    mpi::agree(world, [&] {
      if (mine && signal != 0) report_stop(*mine, signal);
      if (mine && signal == 0 && pending) tell_step(*mine, pending->checkpoint.step, options.follow);
    });
    if (signal != 0) return 128 + signal;
  }
  mpi::agree(world, [&] {
    if (mine) tell_all(*mine);
  });
  return world.any(mine && !mine->alerts().empty()) ? 3 : 0;
}

}  // namespace logitfield

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/console.hpp"
#include "io/error.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/plan/calibrate.hpp"
#include "pipeline/plan/machine.hpp"
#include "pipeline/plan/prediction.hpp"

namespace logitfield {
namespace {

/// The largest file of the model, to measure the storage that a run reads from.
std::filesystem::path largest_file(const std::filesystem::path& model) {
  if (std::filesystem::is_regular_file(model)) return model;
  std::filesystem::path largest;
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(model)) {
    if (!entry.is_regular_file() || entry.file_size() <= bytes) continue;
    bytes = entry.file_size();
    largest = entry.path();
  }
  return largest;
}

/// Number of host threads that measure fields for each GPU of an imagined node.
constexpr int kImaginedWorkers = 12;

/// The machine to plan for: --nodes if given; else this host with the ranks of --grid; else the ranks of this job.
Machine planned_machine(Machine here, const Options& options, const std::optional<Rates>& rates) {
  if (options.nodes > 0) {
    here.ranks = options.nodes * options.ranks_per_node;
    here.ranks_on_host = options.ranks_per_node;
    if (options.backend == kernels::BackendKind::cuda && rates && rates->rank_memory > 0) {
      here.device_bytes = static_cast<std::uint64_t>(rates->rank_memory);
      here.device_workers = kImaginedWorkers;
    }
    if (options.node_memory > 0) {
      here.available_bytes = options.node_memory;
    } else if (rates && rates->rank_memory > 0) {
      here.available_bytes = static_cast<std::uint64_t>(rates->rank_memory * here.ranks_on_host);
    }
  } else if (!options.grid.empty()) {
    here.ranks = here.ranks_on_host = parse_grid(options.grid).ranks();
    if (here.device_bytes > 0) {
      const int gpus = static_cast<int>(kernels::list_devices().devices.size());
      here.device_bytes /= static_cast<std::uint64_t>((here.ranks + gpus - 1) / gpus);
    }
  }
  return here;
}

std::string describe(const Prediction& p, int nodes) {
  std::string out =
      fmt::format("predicted  {:.3g} s: read {:.2g}, forward {:.2g}, field {:.2g}, communicate {:.2g}, wait {:.2g}",
                  p.seconds(), p.read, p.forward, p.field, p.communicate, p.wait);
  if (nodes > 0) out += fmt::format("; {:.3g} node-hours", nodes * p.seconds() / 3600);
  out += "\n";
  if (const std::string what = advice(p); !what.empty()) out += fmt::format("advice     {}\n", what);
  return out;
}

struct Candidate {
  Plan plan;
  Prediction prediction;
};

/// Sorts the grids by predicted time, fastest first, each with its faster residency.
std::vector<Candidate> ranking(const Job& job, const Options& options, const Machine& machine, const Rates& rates) {
  std::vector<Candidate> all;
  for (const Plan& plan : fitting_plans(job, options, machine)) {
    all.push_back({plan, predict(job, plan, static_cast<double>(plan.weight_bytes), rates)});
  }
  std::ranges::stable_sort(all, {}, [](const Candidate& c) { return c.prediction.seconds(); });
  std::vector<std::string> seen;
  std::erase_if(all, [&](const Candidate& c) {
    const std::string grid = grid_text(c.plan.partition.grid);
    if (std::ranges::find(seen, grid) != seen.end()) return true;
    seen.push_back(grid);
    return false;
  });
  return all;
}

std::string grids_table(const std::vector<Candidate>& ranked) {
  constexpr std::size_t kShown = 6;
  std::string out = "grids by predicted time:\n";
  out += fmt::format("{:>10} {:>9} {:>10} {:>10} {:>10} {:>10} {:>12} {:>10} {:>10}\n", "grid", "weights", "seconds",
                     "read", "forward", "field", "communicate", "wait", "memory");
  for (std::size_t i = 0; i < std::min(kShown, ranked.size()); ++i) {
    const auto& [plan, p] = ranked[i];
    out += fmt::format("{:>10} {:>9} {:>10.3g} {:>10.3g} {:>10.3g} {:>10.3g} {:>12.3g} {:>10.3g} {:>10}\n",
                       grid_text(plan.partition.grid), plan.residency == Residency::stream ? "stream" : "resident",
                       p.seconds(), p.read, p.forward, p.field, p.communicate, p.wait,
                       bytes_text(plan.device_bytes > 0 ? plan.device_bytes : plan.memory_bytes));
  }
  return out;
}

/// The plan, and its predicted cost. An imagined machine gets the plan with the shortest predicted time.
std::string plan_text(const Options& options, const Machine& here, const std::optional<Rates>& rates) {
  const Job job = open_job(options);
  const Machine machine = planned_machine(here, options, rates);
  if (!rates) {
    return describe(make_plan(job, options, machine), job, machine) +
           fmt::format(
               "predicted  nothing: no rates in {}; run `mpirun -n RANKS logitfield plan --calibrate` on nodes like "
               "the run's, with as many ranks on each\n",
               default_rates_path().string());
  }
  const std::vector<Candidate> ranked = ranking(job, options, machine, *rates);
  const Plan plan = options.nodes > 0 ? ranked.front().plan : make_plan(job, options, machine);
  const Prediction prediction = predict(job, plan, static_cast<double>(plan.weight_bytes), *rates);
  std::string out = describe(plan, job, machine) + fmt::format("rates      {}\n", rates->source);
  out += describe(prediction, options.nodes);
  if (ranked.size() > 1) out += grids_table(ranked);
  return out;
}

}  // namespace

int plan(const Options& options, const mpi::Communicator& world) {
  const std::filesystem::path path = options.rates.empty() ? default_rates_path() : options.rates;
  std::optional<Rates> rates;
  if (options.calibrate) {
    rates = calibrate(world, options.model.empty() ? std::filesystem::path{} : largest_file(options.model));
  }
  Machine here = this_machine(world);
  // An imagined machine does not need this one's back end.
  std::unique_ptr<kernels::Backend> backend;
  if (options.nodes == 0) backend = open_backend(options, world, here);
  mpi::agree(world, [&] {
    if (world.rank() != 0) return;
    if (rates) {
      write_rates(*rates, path);
      io::print("{}saved in   {}\n", describe(*rates), path.string());
    } else if (!options.rates.empty() || std::filesystem::exists(path)) {
      rates = read_rates(path);
    }
    const bool plans = !options.model.empty() || !options.capture.empty() || !options.model_shape.empty();
    if (plans) io::print_text(plan_text(options, here, rates));
  });
  return 0;
}

}  // namespace logitfield

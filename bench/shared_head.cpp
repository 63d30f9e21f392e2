// Measures one Gaussian head, whose rows all ranks share, by the factored route (scope full: thin QR over ranks) or by
// the krylov route (scope causal). Prints one self-describing row per length, and only after its values were verified:
// against one rank with all rows if the head is short enough, else by its certificate.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <stdexcept>

#include "kernels/backend.hpp"
#include "kernels/cpu/blas_kernels.hpp"
#include "kernels/random.hpp"
#include "pipeline/mpi/team.hpp"
#include "pipeline/plan/machine.hpp"
#include "pipeline/plan/partition.hpp"

namespace {

using namespace logitfield;

struct Configuration {
  std::vector<std::int64_t> lengths{16384};
  std::int64_t head_dim = 128, components = 32;
  double decay = 0.9;
  std::string scope = "full";
};

constexpr std::int64_t kLongestReference = 20000;

/// Rows of the head; columns decay, as those of trained heads do.
kernels::MatrixF rows_of(std::uint64_t seed, Slice rows, const Configuration& configuration) {
  kernels::Matrix out = kernels::gaussian_rows(seed, rows.begin, rows.size(), configuration.head_dim);
  for (kernels::Index c = 0; c < out.cols(); ++c) out.col(c) *= std::pow(configuration.decay, static_cast<double>(c));
  return out.cast<float>();
}

kernels::HeadStatistics measure_rows(const kernels::Backend& backend, const kernels::Team& team, Slice rows,
                                     std::int64_t length, const Configuration& configuration) {
  const kernels::MatrixF queries = rows_of(1, rows, configuration), keys = rows_of(2, rows, configuration);
  const bool causal = configuration.scope == "causal";
  const std::vector<kernels::FieldRequest> requests{{length, kernels::scope_named(configuration.scope),
                                                     causal ? kernels::Route::krylov : kernels::Route::factored,
                                                     configuration.components}};
  const kernels::LogitForm form{.scale = 1 / std::sqrt(static_cast<double>(configuration.head_dim))};
  return backend.shared_field_statistics(team, {{queries}, keys, {form}}, {rows.begin, length}, requests)[0][0];
}

/// Largest difference of a singular value from one rank's, over sigma_1; NaN where the head is too long for one rank.
double difference_from_one_rank(const kernels::Backend& backend, const kernels::HeadStatistics& shared,
                                std::int64_t length, const Configuration& configuration) {
  if (length > kLongestReference) return kernels::kUndefined;
  const kernels::HeadStatistics whole = measure_rows(backend, kernels::alone(), {0, length}, length, configuration);
  double worst = 0;
  for (std::size_t i = 0; i < shared.singular_values.size(); ++i) {
    worst = std::max(worst, std::abs(shared.singular_values[i] - whole.singular_values[i]) / whole.spectrum.sigma_max);
  }
  if (!(worst <= 1e-10)) throw std::runtime_error(fmt::format("the ranks' values differ from one rank's by {}", worst));
  return worst;
}

void measure(const kernels::Backend& backend, const mpi::Communicator& world, std::int64_t length,
             const Configuration& configuration) {
  const mpi::Team team(world);
  const Slice rows = divide(length, world.size())[world.rank()];
  world.barrier();
  const double start = MPI_Wtime();
  const kernels::HeadStatistics found = measure_rows(backend, team, rows, length, configuration);
  const double seconds = MPI_Wtime() - start;
  if (!found.certificate.certified()) throw std::runtime_error("the head failed its certificate");
  if (world.rank() != 0) return;
  fmt::print(
      "scope={} route={} ranks={} length={} d={} components={} seconds={:.3f} sigma_max={:.9g} residual={:.1e} "
      "difference={:.1e} peak_mb_rank_0={:.0f}\n",
      configuration.scope, kernels::route_name(found.route), world.size(), length, configuration.head_dim,
      found.spectrum.components, seconds, found.spectrum.sigma_max, found.certificate.probe_residual,
      difference_from_one_rank(backend, found, length, configuration), 1e-6 * static_cast<double>(peak_memory_bytes()));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  kernels::cpu::restart_with_best_blas(argv);
  Configuration configuration;
  CLI::App app("times a head whose rows all ranks share; run it under mpirun", "shared_head");
  app.option_defaults()->always_capture_default();
  app.add_option("--length", configuration.lengths, "tokens, a list")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--head-dim", configuration.head_dim)->check(CLI::PositiveNumber);
  app.add_option("--components", configuration.components, "of the krylov route")->check(CLI::PositiveNumber);
  app.add_option("--decay", configuration.decay, "column c is scaled by decay^c");
  app.add_option("--scope", configuration.scope)->check(CLI::IsMember({"full", "causal-mean", "causal"}));
  CLI11_PARSE(app, argc, argv);
  const mpi::Environment environment(argc, argv);
  try {
    const mpi::Communicator world = mpi::Communicator::world();
    const auto backend = kernels::make_backend(kernels::BackendKind::cpu);
    for (const std::int64_t length : configuration.lengths) measure(*backend, world, length, configuration);
  } catch (const std::exception& error) {
    fmt::print(stderr, "shared_head: error: {}\n", error.what());
    return 1;
  }
}

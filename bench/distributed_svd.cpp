// Singular values of a matrix distributed over all ranks, computed by ScaLAPACK: for a random matrix ("bare"), and for
// a head's field, formed from random queries and keys and then decomposed ("field"). Prints one self-describing row per
// size, and only after its values were verified.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cpu/blas_kernels.hpp"
#include "kernels/random.hpp"
#include "kernels/spectra/lapack.hpp"
#include "pipeline/scalapack/distributed_field.hpp"
#include "pipeline/scalapack/svd.hpp"

namespace {

using namespace logitfield;
using kernels::Matrix;
using scalapack::BlockCyclic;
using scalapack::DistributedMatrix;
using scalapack::ProcessGrid;

struct Options {
  std::vector<int> sizes{1000, 2000}, grid;
  int block = scalapack::kBlock, repeats = 3, head_dim = 64;
  std::string what = "bare", scope = "causal";
};

struct Outcome {
  std::vector<double> sigma;
  double energy = 0;  // sum of squares of the matrix
  double form_seconds = 0, svd_seconds = 0;
  /// Returns the whole matrix on every rank, if a reference was requested.
  std::optional<Matrix> whole;
};

constexpr int kLargestReference = 1500;

double sum_over(const mpi::Communicator& team, double value) {
  team.sum(std::span(&value, 1));
  return value;
}

/// Starts and stops at the same time on all ranks.
class Stopwatch {
 public:
  explicit Stopwatch(const mpi::Communicator& team) : team_(team) { restart(); }
  double restart() {
    team_.min(0);
    const double now = MPI_Wtime(), elapsed = now - start_;
    start_ = now;
    return elapsed;
  }

 private:
  const mpi::Communicator& team_;
  double start_ = 0;
};

/// Standard normal entries that depend only on the global index.
void fill(DistributedMatrix& a) {
  const std::vector<int> rows = a.layout().global_rows(), columns = a.layout().global_columns();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const Matrix row = kernels::gaussian_rows(1, rows[r], 1, a.layout().columns);
    for (std::size_t c = 0; c < columns.size(); ++c) a.local()(r, c) = row(0, columns[c]);
  }
}

Outcome run_bare(const ProcessGrid& grid, int n, const Options& options, bool keep_whole) {
  Stopwatch watch(grid.team());
  DistributedMatrix a(grid, n, n, options.block);
  fill(a);
  Outcome out;
  out.energy = sum_over(grid.team(), a.local().squaredNorm());
  if (keep_whole) out.whole = kernels::gaussian_rows(1, 0, n, n);
  watch.restart();
  out.sigma = scalapack::singular_values(a);
  out.svd_seconds = watch.restart();
  return out;
}

Outcome run_field(const ProcessGrid& grid, int n, const Options& options, bool keep_whole) {
  const Matrix queries = kernels::gaussian_rows(1, 0, n, options.head_dim);
  const Matrix keys = kernels::gaussian_rows(2, 0, n, options.head_dim);
  const kernels::LogitForm form{1 / std::sqrt(static_cast<double>(options.head_dim)), 0, {}};
  Outcome out;
  Stopwatch watch(grid.team());
  DenseField field(grid, queries, keys, form, kernels::scope_named(options.scope));
  out.form_seconds = watch.restart();
  out.energy = field.energy();
  if (keep_whole) out.whole = field.times(Matrix::Identity(n, n));
  watch.restart();
  out.sigma = std::move(field).singular_values();
  out.svd_seconds = watch.restart();
  return out;
}

Outcome run(const ProcessGrid& grid, int n, const Options& options, bool keep_whole) {
  return options.what == "bare" ? run_bare(grid, n, options, keep_whole) : run_field(grid, n, options, keep_whole);
}

/// max |sigma - LAPACK's| / sigma_1; NaN without a reference. Throws if the values are wrong.
double verify(const Outcome& outcome, const mpi::Communicator& team) {
  double energy = 0, error = std::numeric_limits<double>::quiet_NaN();
  for (const double s : outcome.sigma) energy += s * s;
  bool right = std::abs(energy / outcome.energy - 1) <= 1e-11;
  if (outcome.whole && team.rank() == 0) {
    const std::vector<double> reference = kernels::singular_values(*outcome.whole);
    error = 0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      error = std::max(error, std::abs(reference[i] - outcome.sigma[i]) / reference[0]);
    }
    right = right && error <= 1e-12;
  }
  if (team.min(right ? 1 : 0) == 0) throw std::runtime_error("the singular values are wrong");
  return error;
}

/// The customary flop count for n x n: 8/3 n^3 for the bidiagonal form, which is nearly all the work.
double flops(double n) { return 8.0 / 3 * n * n * n; }

/// Bytes on process (0, 0), which holds the largest part.
std::uint64_t bytes_per_rank(const ProcessGrid& grid, int n, const Options& options) {
  const BlockCyclic layout{n, n, options.block, grid.shape(), {0, 0}};
  return sizeof(double) * (layout.local_size() + scalapack::svd_workspace(layout));
}

void measure(const ProcessGrid& grid, int n, const Options& options) {
  Outcome best = run(grid, n, options, n <= kLargestReference);
  const double error = verify(best, grid.team());
  for (int r = 1; r < options.repeats; ++r) {
    const Outcome next = run(grid, n, options, false);
    best.form_seconds = std::min(best.form_seconds, next.form_seconds);
    best.svd_seconds = std::min(best.svd_seconds, next.svd_seconds);
  }
  if (grid.team().rank() != 0) return;
  const bool field = options.what == "field";
  fmt::print(
      "what={} scope={} ranks={} grid={}x{} block={} n={} d={} repeats={} form_s={:.4f} svd_s={:.4f} "
      "gflop={:.2f} gflop_per_s={:.2f} sigma_error={:.1e} bytes_per_rank={}\n",
      options.what, field ? options.scope : "-", grid.team().size(), grid.shape().rows, grid.shape().columns,
      options.block, n, field ? options.head_dim : 0, options.repeats, best.form_seconds, best.svd_seconds,
      1e-9 * flops(n), 1e-9 * flops(n) / best.svd_seconds, error, bytes_per_rank(grid, n, options));
  std::fflush(stdout);
}

void measure_all(const Options& options) {
  if (options.what == "field" && options.block != scalapack::kBlock) {
    throw std::invalid_argument("--block goes with --what bare");
  }
  const mpi::Communicator world = mpi::Communicator::world();
  const scalapack::ProcessGridShape shape = options.grid.empty()
                                                ? scalapack::near_square(world.size())
                                                : scalapack::ProcessGridShape{options.grid[0], options.grid[1]};
  const ProcessGrid grid(world, shape);
  for (const int n : options.sizes) measure(grid, n, options);
}

}  // namespace

int main(int argc, char** argv) {
  kernels::cpu::restart_with_best_blas(argv);
  Options options;
  CLI::App app("times ScaLAPACK's singular value decomposition; run it under mpirun", "distributed_svd");
  app.option_defaults()->always_capture_default();
  app.add_option("--n", options.sizes, "rows and columns, a list")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--grid", options.grid, "ROWSxCOLUMNS [nearly square]")->delimiter('x')->expected(2);
  app.add_option("--block", options.block)->check(CLI::PositiveNumber);
  app.add_option("--repeats", options.repeats, "the best is printed")->check(CLI::PositiveNumber);
  app.add_option("--head-dim", options.head_dim, "columns of queries and keys")->check(CLI::PositiveNumber);
  app.add_option("--what", options.what)->check(CLI::IsMember({"bare", "field"}));
  app.add_option("--scope", options.scope)->check(CLI::IsMember({"full", "causal", "causal-mean"}));
  CLI11_PARSE(app, argc, argv);
  const mpi::Environment environment(argc, argv);
  try {
    measure_all(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "distributed_svd: error: {}\n", error.what());
    return 1;
  }
}

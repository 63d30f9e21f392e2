#include "pipeline/plan/calibrate.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>

#include "io/dtype.hpp"
#include "io/file.hpp"
#include "io/hash.hpp"
#include "io/run/clock_text.hpp"
#include "kernels/backend.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/cost.hpp"
#include "kernels/random.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/plan/routes.hpp"

namespace logitfield {
namespace {

using kernels::MatrixF;
using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of the slowest rank; the median of three runs if they are quick, because machines are shared.
double measure(const mpi::Communicator& world, const std::function<void()>& work) {
  constexpr double kQuick = 0.5;
  world.barrier();
  double first = seconds_of(work);
  world.max({&first, 1});
  if (first > kQuick) return first;
  std::vector<double> all{first, seconds_of(work), seconds_of(work)};
  std::ranges::sort(all);
  world.max({&all[1], 1});
  return all[1];
}

MatrixF gaussian(kernels::Index rows, kernels::Index columns, std::uint64_t seed) {
  return kernels::gaussian_rows(seed, 0, rows, columns).cast<float>();
}

void measure_arithmetic(const mpi::Communicator& world, Rates& rates) {
  constexpr kernels::Index n = 1536;
  const MatrixF a = gaussian(n, n, 1), b = gaussian(n, n, 2);
  MatrixF c(n, n);
  rates.gemm = 2.0 * n * n * n / measure(world, [&] { c.noalias() = a * b.transpose(); });
  // The blocks are larger than the caches, and written once before, so that no page is fresh.
  std::vector<std::byte> from(256 << 20, std::byte{1}), to(from.size(), std::byte{2});
  rates.memory = 2.0 * static_cast<double>(from.size()) / measure(world, [&] { std::ranges::copy(from, to.begin()); });
  std::uint64_t hash = 0;
  rates.hash = static_cast<double>(from.size()) / measure(world, [&] { hash ^= io::hash_bytes(from); });
  std::vector<float> values(from.size() / 2);
  rates.load =
      static_cast<double>(from.size()) / measure(world, [&] { io::to_float32(io::DType::BF16, from.data(), values); });
  if (hash == 1) rates.hash = 0;  // keeps the hashes from being optimised away
}

/// Bytes per second of one pass over a file that is not in memory. Measured by rank 0 alone, because storage is shared.
double storage_rate(const std::filesystem::path& path) {
  const io::Descriptor file(path, io::Access::read, O_RDONLY);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::vector<std::byte> buffer(8 << 20);
  double bytes = 0;
  const double seconds = seconds_of([&] {
    for (ssize_t count; bytes < 2e9 && (count = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
      bytes += static_cast<double>(count);
    }
  });
  return bytes / seconds;
}

double measure_storage(const std::filesystem::path& weights) {
  if (!weights.empty()) return storage_rate(weights);
  const std::filesystem::path scratch = "logitfield-calibration.tmp";
  double rate = 0;
  io::write_atomically(scratch, [&](const std::filesystem::path& temporary) {
    io::OutputFile file(temporary, true);
    const std::vector<std::byte> piece(64 << 20, std::byte{3});
    for (int i = 0; i < 4; ++i) file.write(piece);
    file.sync();
    rate = storage_rate(temporary);
  });
  std::filesystem::remove(scratch);
  return rate;
}

void measure_network(const mpi::Communicator& world, Rates& rates) {
  std::vector<float> large(4 << 20);
  constexpr int kRepeats = 200;
  rates.latency = measure(world,
                          [&] {
                            for (int i = 0; i < kRepeats; ++i) world.barrier();
                          }) /
                  kRepeats;
  // A sum over all ranks moves 2 (n - 1) / n of the data out of and into each.
  const double share = 2.0 * (world.size() - 1) / world.size();
  const double seconds = measure(world, [&] { world.sum(large); });
  // A single rank sends nothing, so the bandwidth of memory is used.
  rates.bandwidth = world.size() > 1 ? share * 4 * static_cast<double>(large.size()) / seconds : rates.memory;
}

/// Measures a Llama block: flops/s of projections and network, and of attention.
ForwardSample forward_sample(const mpi::Communicator& world, const kernels::Backend& backend, kernels::Index hidden) {
  constexpr kernels::Index kLength = 1024, kDim = 64;
  const kernels::Index heads = std::max<kernels::Index>(1, hidden / kDim), inner = hidden * 11 / 4;
  kernels::BlockShape shape;
  shape.hidden_size = hidden;
  shape.num_heads = shape.num_kv_heads = heads;
  shape.head_dim = shape.value_dim = kDim;
  shape.forms.assign(static_cast<std::size_t>(heads), {.scale = 0.125});
  const auto host = std::make_shared<kernels::LayerWeights>();
  kernels::LayerWeights& weights = *host;
  const float size = 1 / std::sqrt(static_cast<float>(hidden));
  const auto map = [&](kernels::Index outputs, kernels::Index inputs, std::uint64_t seed) {
    return kernels::Linear{{gaussian(outputs, inputs, seed) * size, backend.precision()}, {}};
  };
  weights.qkv = map(3 * heads * kDim, hidden, 3);
  weights.output = map(hidden, heads * kDim, 4);
  weights.mlp = {map(2 * inner, hidden, 5), map(hidden, inner, 6)};
  const auto layer = backend.load(host);
  const auto states = backend.upload(gaussian(kLength, hidden, 7));
  const double l = kLength, h = static_cast<double>(hidden), m = static_cast<double>(inner);
  const double mlp = measure(world, [&] { backend.mlp(shape, *layer, *states); });
  const double attention = measure(world, [&] { backend.attention(shape, *layer, kernels::alone(), *states); });
  const double rate = 6 * l * h * m / mlp, projections = 8 * l * h * h / rate;
  const double attended = 2 * l * l * static_cast<double>(heads * kDim);
  return {hidden, rate, attended / std::max(attention - projections, 0.05 * attention)};
}

/// A job of one KV head and its query heads; plans count its flops.
JobSizes head_job(std::int64_t head_dim, std::int64_t group, std::int64_t context, kernels::Scope scope) {
  JobSizes job;
  job.contexts = {context};
  job.scopes = {scope};
  job.head_dim = head_dim;
  job.forms.assign(static_cast<std::size_t>(group), {.scale = 1 / std::sqrt(static_cast<double>(head_dim))});
  job.extents = {1, group, 1, 0};
  job.measured_layers = {0, 1};
  return job;
}

struct HeadShape {
  std::int64_t head_dim, group, context;
  kernels::Scope scope;
  SpectrumChoice spectrum;
};

/// Adds a sample of the route and, once for each shape, one of attention.
void add_field_samples(const mpi::Communicator& world, const kernels::Backend& backend, const HeadShape& s,
                       Rates& rates) {
  const JobSizes job = head_job(s.head_dim, s.group, s.context, s.scope);
  PlanChoices choices;
  choices.spectrum = s.spectrum;
  const FieldPlan field = plan_fields(job, choices, {1, 1e12}).front();
  const MatrixF keys = gaussian(s.context, s.head_dim, 8);
  std::vector<MatrixF> queries;
  kernels::HeadGroup group{{}, keys, job.forms};
  for (std::int64_t h = 0; h < s.group; ++h) queries.push_back(gaussian(s.context, s.head_dim, 9 + h));
  for (const MatrixF& q : queries) group.queries.push_back(q);

  const kernels::Matrix keys64 = keys.cast<double>();
  const double attention =
      measure(world, [&] { kernels::attention_rows(group.queries[0], keys64, job.forms[0], s.context); });
  const double all = measure(world, [&] { backend.field_statistics(group, {&field.request, 1}); });
  const double each = all / static_cast<double>(s.group);
  const std::string route{kernels::route_name(field.request.route)};
  rates.fields.push_back({route, s.head_dim, s.group, s.context, field.flops, std::max(each - attention, 0.05 * each)});
  if (s.scope == kernels::Scope::full && s.group == 1) {
    rates.fields.push_back(
        {"attention", s.head_dim, 1, s.context, kernels::attention_flops(s.context, s.head_dim), attention});
  }
}

std::vector<HeadShape> measured_shapes() {
  using kernels::Scope;
  std::vector<HeadShape> out;
  for (const std::int64_t d : {16, 32, 64, 128}) {
    for (const std::int64_t group : {1, 4}) {
      for (const std::int64_t context : {64, 256, 1024, 4096}) {
        out.push_back({d, group, context, Scope::full, SpectrumChoice::automatic});
      }
    }
    for (const std::int64_t context : {1024, 4096}) {
      out.push_back({d, 1, context, Scope::causal, SpectrumChoice::krylov});
    }
  }
  for (const std::int64_t context : {64, 256, 1024, 2048}) {
    out.push_back({64, 1, context, Scope::causal, SpectrumChoice::automatic});
  }
  return out;
}

}  // namespace

Rates calibrate(const mpi::Communicator& world, const std::filesystem::path& weights) {
  const auto backend = kernels::make_backend(kernels::BackendKind::cpu);
  Rates rates;
  rates.ranks_per_host = world.split_by_host().size();
  constexpr std::array kWidths = {256, 1024, 2048};
  const std::vector<HeadShape> shapes = measured_shapes();
  Activity measuring("measuring the rates of this machine", 3 + kWidths.size() + shapes.size());
  measure_arithmetic(world, rates);
  measuring.advance(1);
  mpi::agree(world, [&] { rates.storage = world.rank() == 0 ? measure_storage(weights) : 0; });
  world.max({&rates.storage, 1});
  measuring.advance(1);
  measure_network(world, rates);
  measuring.advance(1);
  for (const kernels::Index hidden : kWidths) {
    rates.forward.push_back(forward_sample(world, *backend, hidden));
    measuring.advance(1);
  }
  for (const HeadShape& shape : shapes) {
    add_field_samples(world, *backend, shape, rates);
    measuring.advance(1);
  }
  const char* cluster = std::getenv("SLURM_CLUSTER_NAME");
  rates.source = fmt::format("measured {} on {}{}, {} ranks, {} per host", io::utc_now(), mpi::host_name(),
                             cluster ? fmt::format(" of {}", cluster) : "", world.size(), rates.ranks_per_host);
  return rates;
}

std::string describe(const Rates& r) {
  std::string out = fmt::format("rates      {}\n", r.source);
  out += fmt::format(
      "per rank   {:.0f} GFLOP/s in float32 products, memory {:.1f} GB/s, weights hashed at {:.1f}, read at {:.1f} "
      "GB/s\n",
      r.gemm / 1e9, r.memory / 1e9, r.hash / 1e9, r.load / 1e9);
  out += fmt::format("all ranks  storage {:.2f} GB/s; MPI {:.1f} us, {:.1f} GB/s\n", r.storage / 1e9, r.latency * 1e6,
                     r.bandwidth / 1e9);
  for (const ForwardSample& s : r.forward) {
    out += fmt::format("forward    hidden size {}: {:.0f} GFLOP/s, attention {:.0f} GFLOP/s\n", s.hidden_size,
                       s.weights / 1e9, s.attention / 1e9);
  }
  return out;
}

}  // namespace logitfield

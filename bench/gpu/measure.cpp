#include "bench/gpu/measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "kernels/cuda/products.hpp"

namespace logitfield::bench::gpu {
namespace {

using kernels::cuda::Bf16;
using kernels::cuda::Products;

/// Larger than any cache.
constexpr std::int64_t kFlushBytes = std::int64_t{1} << 28;

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

template <class T>
Buffer<T> uploaded(const MatrixF& host, const Stream& stream) {
  std::vector<T> values(static_cast<std::size_t>(host.size()));
  for (Index i = 0; i < host.size(); ++i) {
    if constexpr (std::is_same_v<T, double>) {
      values[static_cast<std::size_t>(i)] = static_cast<double>(host.data()[i]);
    } else {
      values[static_cast<std::size_t>(i)] = kernels::cuda::from_float<T>(host.data()[i]);
    }
  }
  Buffer<T> out{std::span<const T>(values), stream};
  stream.wait();
  return out;
}

/// flops/s of n x n products; one entry of the result is checked.
template <class T, class Multiply>
double product_rate(const Meter& meter, Index n, const char* name, double tolerance, Multiply&& multiply) {
  const MatrixF x = random_rows(n, n, 1), w = random_rows(n, n, 2);
  const Buffer<T> device_x = uploaded<T>(x, meter.stream()), device_w = uploaded<T>(w, meter.stream());
  using Out = std::conditional_t<std::is_same_v<T, double>, double, float>;
  Buffer<Out> y(n * n, meter.stream());
  const auto run = [&] { multiply(device_x.data(), device_w.data(), y.data()); };
  run();
  std::vector<Out> row(static_cast<std::size_t>(n));
  y.read(row, (n - 1) * n);
  const Vector exact = w.cast<double>() * x.row(n - 1).cast<double>().transpose();
  double error = 0;
  for (Index j = 0; j < n; ++j) error += std::pow(static_cast<double>(row[static_cast<std::size_t>(j)]) - exact[j], 2);
  expect_small(name, std::sqrt(error) / exact.norm(), tolerance);
  return 2 * std::pow(static_cast<double>(n), 3) / meter.by_events(run).warm;
}

double copy_rate(const Meter& meter, std::int64_t bytes, bool from_host) {
  const kernels::cuda::PinnedBuffer host(static_cast<std::size_t>(bytes));
  std::fill_n(host.data(), bytes, std::byte{7});
  Buffer<std::byte> from(bytes, meter.stream()), to(bytes, meter.stream());
  kernels::cuda::copy(from.data(), host.data(), static_cast<std::size_t>(bytes), meter.stream());
  const void* source = from_host ? host.data() : from.data();
  const Timing timing =
      meter.by_events([&] { kernels::cuda::copy(to.data(), source, static_cast<std::size_t>(bytes), meter.stream()); });
  expect_small("copy", to.read() == from.read() ? 0 : 1, 0);
  return static_cast<double>(bytes) * (from_host ? 1 : 2) / timing.warm;
}

}  // namespace

Meter::Meter(bool quick) : repetitions_(quick ? 2 : 15), cache_(quick ? 1 << 16 : kFlushBytes, stream_) {}

Timing Meter::measure(const std::function<double()>& once) const {
  std::vector<double> cold, warm;
  for (int r = 0; r < repetitions_; ++r) {
    cache_.zero();
    stream_.wait();
    cold.push_back(once());
  }
  once();
  for (int r = 0; r < repetitions_; ++r) warm.push_back(once());
  return {median(cold), median(warm)};
}

Timing Meter::by_events(const std::function<void()>& work) const {
  return measure([&] {
    const Event begin(stream_);
    work();
    const Event end(stream_);
    end.wait();
    return std::max(1e-9, 1e-3 * end.since(begin));
  });
}

Timing Meter::by_clock(const std::function<void()>& work) const {
  return measure([&] {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  });
}

Ceilings measure_ceilings(const Meter& meter, bool quick) {
  const Index n = quick ? 48 : 8192, n_float32 = quick ? 48 : 4096;
  const std::int64_t bytes = quick ? 1 << 16 : std::int64_t{1} << 30;
  Ceilings out{.copy = copy_rate(meter, bytes, false), .upload = copy_rate(meter, bytes, true)};
  for (const Unit unit : {Unit::tf32, Unit::float32}) {
    const Products products(meter.stream(), unit == Unit::tf32 ? Precision::tf32 : Precision::float32);
    out.products[static_cast<std::size_t>(unit)] = product_rate<float>(
        meter, n_float32, "float32 product", unit == Unit::tf32 ? 2e-3 : 1e-5,
        [&](const float* x, const float* w, float* y) {
          products.linear({n_float32, n_float32, n_float32}, {x, n_float32}, {w, n_float32}, {y, n_float32});
        });
  }
  const Products products(meter.stream(), Precision::bf16);
  out.products[static_cast<std::size_t>(Unit::bf16)] =
      product_rate<Bf16>(meter, n, "bf16 product", 1e-2, [&](const Bf16* x, const Bf16* w, float* y) {
        products.linear({n, n, n}, {x, n}, {w, n}, {y, n});
      });
  out.products[static_cast<std::size_t>(Unit::float64)] = product_rate<double>(
      meter, n_float32, "float64 product", 1e-13, [&](const double* x, const double* w, double* y) {
        products.multiply_transposed({n_float32, n_float32, n_float32}, {x, n_float32}, {w, n_float32}, {y, n_float32});
      });
  return out;
}

void expect_small(const std::string& name, double error, double tolerance) {
  if (error <= tolerance) return;
  throw std::runtime_error(fmt::format("{}: off by {:.3g}, more than {:.3g}", name, error, tolerance));
}

MatrixF random_rows(Index rows, Index columns, unsigned seed) {
  MatrixF out(rows, columns);
  for (Index i = 0; i < out.size(); ++i) {
    std::uint64_t x = (static_cast<std::uint64_t>(seed) << 40) + static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    constexpr float kRootThree = 1.7320508F;  // uniform, of variance 1
    out.data()[i] = kRootThree * (static_cast<float>(x >> 40) * 0x1p-23F - 1);
  }
  return out;
}

}  // namespace logitfield::bench::gpu

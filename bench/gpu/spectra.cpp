// Singular values of batches of matrices, whole and by stage.
#include <fmt/format.h>

#include <cmath>

#include "bench/gpu/cases.hpp"
#include "kernels/cuda/spectra/singular_values.hpp"
#include "kernels/spectra/two_stage.hpp"

namespace logitfield::bench::gpu {
namespace {

using namespace kernels::cuda;

/// Random matrices on the device, and memory for copies that are overwritten.
class Batch {
 public:
  explicit Batch(const Batches& sizes)
      : n_(sizes.n),
        count_(sizes.count),
        host_(random_rows(n_ * count_, n_, 9).cast<double>()),
        matrices_(upload(host_, worker_)),
        overwritten_(matrices_.size(), worker_.stream) {}

  Row whole(const Meter& meter) {
    check(download(values(), count_, n_));
    return row("singular values", meter, 8.0 / 3 * std::pow(number(n_), 3), [&] { values(); });
  }

  /// The three stages of large matrices, one after the other.
  void stages(const Meter& meter, const TakeRow& take) {
    const Stream& stream = worker_.stream;
    const double square = number(n_ * n_);
    Buffer<double> bands = reduce(), chased(bands.size(), stream), bidiagonals(count_ * 2 * n_, stream);
    take(row("dense to band", meter, 8.0 / 3 * square * number(n_), [&] { reduce(); }));
    const auto chase = [&] {
      copy_all(bands, chased);
      chase_bulges(chased.data(), n_, count_, bidiagonals.data(), stream);
    };
    chase();
    take(row("band to bidiagonal", meter, 8 * square * kBand, chase));
    const std::vector<double> ones(static_cast<std::size_t>(count_), 1);
    const Buffer<double> scales{std::span<const double>(ones), stream};
    Buffer<double> squares(count_ * sturm_steps(n_), stream), units(count_, stream), found(count_ * n_, stream);
    const auto solve = [&] {
      bisect(bidiagonals.data(), n_, count_, scales.data(), squares.data(), units.data(), found.data(), stream);
    };
    solve();
    check(download(found, count_, n_));
    take(row("bidiagonal to values", meter, 0, solve));
  }

 private:
  void copy_all(const Buffer<double>& from, const Buffer<double>& to) const {
    copy(to.data(), from.data(), static_cast<std::size_t>(from.size()) * sizeof(double), worker_.stream);
  }
  Buffer<double> values() const {
    copy_all(matrices_, overwritten_);
    return singular_values(worker_, overwritten_.data(), n_, count_);
  }
  Buffer<double> reduce() const {
    copy_all(matrices_, overwritten_);
    return reduce_to_bands(worker_, overwritten_.data(), n_, count_);
  }

  /// Compares the last matrix with the CPU.
  void check(const Matrix& found) const {
    const std::vector<double> expected = kernels::two_stage_singular_values(host_.bottomRows(n_));
    for (Index i = 0; i < n_; ++i) {
      expect_small("singular values", std::abs(found(count_ - 1, i) - expected[static_cast<std::size_t>(i)]),
                   8 * number(n_) * kEpsilon * expected[0]);
    }
  }

  /// `flops` of one matrix. The time includes copying the matrices that are overwritten.
  Row row(const std::string& name, const Meter& meter, double flops, const std::function<void()>& work) const {
    const auto run = [&] {
      work();
      worker_.stream.wait();
    };
    return {fmt::format("{}, n = {}", name, n_),
            fmt::format("{} matrices, n = {}", count_, n_),
            {number(count_) * flops, Unit::float64, 8 * number(count_ * n_ * n_)},
            meter.by_clock(run)};
  }

  Worker worker_;
  Index n_, count_;
  Matrix host_;
  Buffer<double> matrices_, overwritten_;
};

}  // namespace

void time_spectra(const Meter& meter, std::span<const Batches> sizes, const TakeRow& take) {
  for (const Batches& batches : sizes) {
    Batch batch(batches);
    take(batch.whole(meter));
    if (batches.stages) batch.stages(meter, take);
  }
}

}  // namespace logitfield::bench::gpu

#pragma once
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.hpp"
#include "kernels/matrix.hpp"

// Common steps of every GPU benchmark: check the answer, time it by events, compare it with the device's limits.
namespace logitfield::bench::gpu {

using namespace kernels;
using kernels::cuda::Buffer;
using kernels::cuda::Event;
using kernels::cuda::Stream;

inline double number(Index n) { return static_cast<double>(n); }

/// The units that do the multiplications.
enum class Unit { bf16, tf32, float32, float64 };
inline constexpr std::array<const char*, 4> kUnitNames{"bf16", "tf32", "float32", "float64"};

/// Rates that the device reached in this run: bytes/s of a copy within its memory (read and written) and from
/// page-locked host memory; flops/s of large matrix products.
struct Ceilings {
  double copy = 0, upload = 0;
  std::array<double, 4> products{};
};

/// The least necessary work: flops, and bytes of device memory, with each input read and each output written once.
struct Work {
  double flops = 0;
  Unit unit = Unit::float32;
  double bytes = 0;
};

/// Seconds of a call with an empty cache, and of calls in succession: medians, after the call that was checked.
struct Timing {
  double cold = 0, warm = 0;
};

struct Row {
  std::string name, size;
  Work work;
  Timing timing;
};

/// Takes every row as soon as it is measured, so that an interrupted run still reports its results.
using TakeRow = std::function<void(const Row&)>;

/// Times by events on a stream, or by the host's clock if host threads take part.
class Meter {
 public:
  /// `quick`: a few repetitions, to test the benchmark rather than the device.
  explicit Meter(bool quick);
  const Stream& stream() const { return stream_; }
  Timing by_events(const std::function<void()>& work) const;
  /// `work` must return only when all of it is done.
  Timing by_clock(const std::function<void()>& work) const;

 private:
  Timing measure(const std::function<double()>& once) const;

  Stream stream_;
  int repetitions_;
  mutable Buffer<char> cache_;
};

Ceilings measure_ceilings(const Meter& meter, bool quick);

/// Throws std::runtime_error if `error` is above `tolerance` or NaN: wrong code is not timed.
void expect_small(const std::string& name, double error, double tolerance);

/// Numbers of size 1 that depend only on seed and position, generated at the speed of memory.
MatrixF random_rows(Index rows, Index columns, unsigned seed);

/// The ceilings as a sentence; the head of a Markdown table, a line of it; all numbers as JSON for other programs.
std::string rates(const Ceilings& ceilings);
std::string table_head();
std::string table_line(const Row& row, const Ceilings& ceilings);
std::string json(const std::vector<Row>& rows, const Ceilings& ceilings, const std::string& device);

}  // namespace logitfield::bench::gpu

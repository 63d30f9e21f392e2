#include "kernels/cuda/heads.hpp"

#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kRowsPerBlock = 4;
constexpr int kPerLane = kMostDeviceHeadColumns / kWarp;

__device__ float column_of(const HeadColumns& from, int64_t head, int64_t position, int column) {
  if (column < from.own) return from.rows[position * from.stride + from.first + head * from.head_stride + column];
  return from.shared_rows[position * from.shared_stride + column - from.own];
}

/// Normalises a row that a warp holds, column l + 32 i in lane l.
__device__ void normalise_row(const HeadSteps& steps, int64_t head, int64_t position, int columns,
                              float (&x)[kPerLane]) {
  const int lane = static_cast<int>(threadIdx.x);
  double mean = 0, factor = 0;
  if (steps.row_factors) {
    factor = static_cast<double>(steps.row_factors[position]);
  } else {
    double sum = 0, square = 0;
    for (int i = 0; i < kPerLane; ++i) sum += static_cast<double>(x[i]);
    if (steps.norm.centred) mean = warp_sum(sum) / columns;
    for (int i = 0; i < kPerLane; ++i) {
      const double y = lane + i * kWarp < columns ? static_cast<double>(x[i]) - mean : 0.0;
      square += y * y;
    }
    factor = rsqrt(warp_sum(square) / columns + steps.norm.epsilon);
  }
  const int64_t of_head = steps.gain_by_head ? head * columns : 0;
  for (int i = 0; i < kPerLane; ++i) {
    const int column = lane + i * kWarp;
    if (column >= columns) break;
    x[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * factor);
    if (steps.norm.gain) x[i] *= steps.norm.gain[of_head + column];
    if (steps.norm.bias) x[i] += steps.norm.bias[column];
  }
}

/// Rotates a row in shared memory, which all lanes have written.
__device__ void rotate_row(const RotaryView& rotary, int64_t position, float* row) {
  const bool from_halves = rotary.form == io::RotaryPairs::halves;
  const bool to_halves = rotary.form != io::RotaryPairs::neighbours;
  float first[kPerLane / 2], second[kPerLane / 2];
  row += rotary.first_column;
  for (int i = 0; i < kPerLane / 2; ++i) {
    const int pair = static_cast<int>(threadIdx.x) + i * kWarp;
    if (pair >= rotary.pairs) break;
    const float x = row[from_halves ? pair : 2 * pair], y = row[from_halves ? pair + rotary.pairs : 2 * pair + 1];
    const float c = rotary.cosine[position * rotary.pairs + pair], s = rotary.sine[position * rotary.pairs + pair];
    first[i] = x * c - y * s;
    second[i] = y * c + x * s;
  }
  __syncwarp();
  for (int i = 0; i < kPerLane / 2; ++i) {
    const int pair = static_cast<int>(threadIdx.x) + i * kWarp;
    if (pair >= rotary.pairs) break;
    row[to_halves ? pair : 2 * pair] = first[i];
    row[to_halves ? pair + rotary.pairs : 2 * pair + 1] = second[i];
  }
  __syncwarp();
}

/// One warp per row: blockDim (32, kRowsPerBlock).
template <class T>
__global__ void prepare_kernel(HeadColumns from, HeadSteps steps, int64_t rows, int64_t length, int columns,
                               float* plain, T* narrow) {
  const int64_t index = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.y;
  if (index >= rows) return;  // a whole warp
  const int64_t head = index / length, position = index % length;
  const int lane = static_cast<int>(threadIdx.x);
  float* row = reinterpret_cast<float*>(shared_memory()) + threadIdx.y * kMostDeviceHeadColumns;

  float x[kPerLane];
  for (int i = 0; i < kPerLane; ++i) {
    const int column = lane + i * kWarp;
    x[i] = column < columns ? column_of(from, head, position, column) : 0.F;
  }
  if (steps.has_norm && !steps.norm_last) normalise_row(steps, head, position, columns, x);
  for (int i = 0; i < kPerLane; ++i) {
    if (steps.clip >= 0) x[i] = x[i] > steps.clip ? steps.clip : x[i] < -steps.clip ? -steps.clip : x[i];
    row[lane + i * kWarp] = x[i];
  }
  __syncwarp();
  if (steps.rotary.pairs > 0) rotate_row(steps.rotary, position, row);
  if (steps.has_norm && steps.norm_last) {
    for (int i = 0; i < kPerLane; ++i) x[i] = lane + i * kWarp < columns ? row[lane + i * kWarp] : 0.F;
    normalise_row(steps, head, position, columns, x);
    for (int i = 0; i < kPerLane; ++i) row[lane + i * kWarp] = x[i];
    __syncwarp();
  }
  const int wide = static_cast<int>(padded(columns));
  for (int column = lane; column < wide; column += kWarp) {
    const T value = from_float<T>(column < columns ? steps.factor * row[column] : 0.F);
    narrow[index * wide + column] = value;
    if (plain && column < columns) plain[index * columns + column] = to_float(value);
  }
}

/// One warp per position.
__global__ void squares_kernel(HeadColumns from, int64_t heads, int64_t length, int columns, double* squares) {
  const int64_t position = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.y;
  if (position >= length) return;
  double sum = 0;
  for (int64_t head = 0; head < heads; ++head) {
    for (int column = static_cast<int>(threadIdx.x); column < columns; column += kWarp) {
      const double x = static_cast<double>(column_of(from, head, position, column));
      sum += x * x;
    }
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) squares[position] = sum;
}

Shape warp_rows(int64_t rows, std::size_t shared_bytes) {
  return {dim3(blocks_for(rows, kRowsPerBlock)), dim3(kWarp, kRowsPerBlock), shared_bytes};
}

}  // namespace

std::vector<HeadForm> head_forms(std::span<const LogitForm> forms) {
  std::vector<HeadForm> out;
  for (const LogitForm& form : forms) {
    out.push_back({static_cast<float>(form.scale), static_cast<float>(form.alibi_slope),
                   static_cast<float>(form.softcap.value_or(0)), key_mask(form.visible),
                   static_cast<float>(form.sink)});
  }
  return out;
}

template <class T>
void prepare_heads(const HeadColumns& from, const HeadSteps& steps, int64_t heads, int64_t length, int columns,
                   float* plain, T* narrow, const Stream& stream) {
  launch("prepare_heads", prepare_kernel<T>,
         warp_rows(heads * length, kRowsPerBlock * kMostDeviceHeadColumns * sizeof(float)), stream, from, steps,
         heads * length, length, columns, plain, narrow);
}
template void prepare_heads(const HeadColumns&, const HeadSteps&, int64_t, int64_t, int, float*, float*, const Stream&);
template void prepare_heads(const HeadColumns&, const HeadSteps&, int64_t, int64_t, int, float*, Bf16*, const Stream&);

void head_squares(const HeadColumns& from, int64_t heads, int64_t length, int columns, double* squares,
                  const Stream& stream) {
  launch("head_squares", squares_kernel, warp_rows(length, 0), stream, from, heads, length, columns, squares);
}

}  // namespace logitfield::kernels::cuda

#include "kernels/block_cost.hpp"

#include <algorithm>

#include "kernels/device.hpp"

namespace logitfield::kernels {
namespace {

constexpr double kFloat = sizeof(float);

/// Sizes of matrices over the text, in numbers.
struct Sizes {
  double hidden, queries_keys, values, mixed;
};

Sizes sizes_of(const BlockSize& b) {
  const auto numbers = [&](std::int64_t columns) {
    return static_cast<double>(b.length) * static_cast<double>(columns);
  };
  return {numbers(b.hidden_size), numbers(b.head_dim * (b.num_heads + b.num_kv_heads)),
          numbers(b.value_dim * b.num_kv_heads), numbers(b.value_dim * b.num_heads)};
}

}  // namespace

double block_bytes(const BlockSize& b, double fields) {
  const auto [hidden, queries_keys, values, mixed] = sizes_of(b);
  // Rounded operands of products, counted in float32 values.
  const double rounded = b.precision == Precision::bf16 ? operand_bytes(b.precision) / kFloat : 0;
  // First the stacked product and its parts by head; then the operands of attention, and this shard's summand.
  const double projecting = hidden + 2 * (queries_keys + values) + rounded * hidden;
  const double mixing = (1 + rounded) * (queries_keys + values) + mixed + hidden;
  const double together = static_cast<double>(std::min(b.length, kFeedForwardRows));
  const double network = queries_keys + 3 * hidden + together * (3 + rounded) * static_cast<double>(b.network_size);
  const double measuring = queries_keys + hidden + fields / kFloat;
  return kFloat * std::max({projecting, mixing, network, measuring});
}

double device_block_bytes(const BlockSize& b, double fields) {
  const auto [hidden, queries_keys, values, mixed] = sizes_of(b);
  const double number = operand_bytes(b.precision), length = static_cast<double>(b.length);
  const auto operands = [&](std::int64_t columns, std::int64_t heads) {
    const std::int64_t padded = (columns + kDeviceHeadMultiple - 1) / kDeviceHeadMultiple * kDeviceHeadMultiple;
    return number * length * static_cast<double>(padded * heads);
  };
  // Q and K are kept in float32, and as operands of attention.
  const double kept = kFloat * queries_keys + operands(b.head_dim, b.num_heads + b.num_kv_heads);
  const double projected = kFloat * (length * static_cast<double>(b.latent_size) + queries_keys + values);
  const double projecting = projected + number * hidden;
  const double mixing = projected + kept + operands(b.value_dim, b.num_kv_heads) + number * mixed + kFloat * hidden;
  const double together = static_cast<double>(std::min(b.length, kDeviceFeedForwardRows));
  const double network =
      kept + (number + 3 * kFloat) * hidden + together * number * 3 * static_cast<double>(b.network_size);
  return std::max({projecting, mixing, network + fields});
}

}  // namespace logitfield::kernels

#include "kernels/field/device_fields.hpp"

#include <algorithm>

#include "kernels/field/row_sample.hpp"

namespace logitfield::kernels {
namespace {

/// Bytes of a number.
constexpr double kElement = sizeof(double);
/// Columns of a factor beside the head's: positions, means, two probes, and one that makes the width even.
constexpr double kExtras = 2, kProbes = 3;
/// Numbers of a softmax row: largest logit, entropy, weight on key 0.
constexpr double kRowStatistics = 3;

double padded(std::int64_t rows) { return static_cast<double>(padded_rows(rows)); }

/// Numbers of a causal field: factors of `heads` query heads and of the keys, logits inside tiles, sums of the tiles.
double causal_field(double rows, double width, double heads) {
  return (heads + 1) * rows * width + heads * rows * kDeviceTileRows + rows / kDeviceTileRows * width * width;
}

/// Returns the bytes for each KV head, without fields that are formed.
double head_bytes(const DeviceFields& f) {
  const double length = static_cast<double>(f.context), rows = padded(f.context),
               heads = static_cast<double>(f.members);
  const double d = static_cast<double>(f.head_dim), w = d + kExtras;
  const double square = w * (w + kProbes), chunks = rows / kRowPadding;
  // A factor with its Gram matrices by chunks, r and r^-1, and a basis or another matrix of that size twice at worst.
  const double factor = rows * (3 * w + kProbes) + (std::min(chunks, 32.0) + 4) * square;
  const double keys = rows * (2 * w + kProbes) + 4 * square;  // kept, with their basis
  // Means, energies twice, two products with two probes; the core in three copies.
  const double factored = factor + heads * (factor + 7 * rows + 3 * square);
  const double causal_means = causal_field(rows, w + 1, heads);
  const double samples = static_cast<double>(sampled_positions(f.context).size());
  const double sampled = rows * d + heads * (samples * length + (kRowPadding + 0.0) * d);
  const double direct = rows / kDeviceTileRows * 3 * (d + 2) + heads * 3 * length;
  // The checks' rows and sums are on the device at the same time as the factors.
  return kElement * (keys + (f.factored ? std::max(factored, causal_means) : factor) + sampled + direct);
}

/// Returns the bytes for the fields that are formed and decomposed at a time.
double dense_bytes(const DeviceFields& f, double heads) {
  const double length = static_cast<double>(f.context), w = static_cast<double>(f.head_dim) + kExtras;
  const double together = static_cast<double>(dense_together(f.context, static_cast<std::int64_t>(heads)));
  return together * (kElement * length * length + decomposing_bytes(f.context)) +
         kElement * (2 * padded(f.context) * w + 8 * heads * length);
}

}  // namespace

std::int64_t kv_heads_together(const DeviceFields& fields) {
  constexpr double kMostBytes = 4e9;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(kMostBytes / head_bytes(fields)), 1, fields.kv_heads);
}

std::int64_t dense_together(std::int64_t length, std::int64_t heads) {
  constexpr double kMostBytes = 2e9;
  const double bytes = kElement * static_cast<double>(length * length) + decomposing_bytes(length);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(kMostBytes / bytes), 1, heads);
}

double device_bytes(const DeviceFields& f) {
  const auto kv_heads = static_cast<double>(kv_heads_together(f));
  return kv_heads * head_bytes(f) + (f.dense ? dense_bytes(f, kv_heads * static_cast<double>(f.members)) : 0);
}

double attention_device_bytes(std::int64_t length, std::int64_t head_dim) {
  const double strip = static_cast<double>(std::min(length, kRowPadding)), d = static_cast<double>(head_dim);
  return kElement * ((padded(length) + kRowPadding) * d + (strip + kRowStatistics) * static_cast<double>(length));
}

double bf16_attention_device_bytes(std::int64_t length, std::int64_t heads) {
  return kElement * kRowStatistics * static_cast<double>(heads * length);
}

double krylov_device_bytes(std::int64_t context, std::int64_t head_dim) {
  constexpr double kVectors = 32;  // that the field is applied to at a time
  const double rows = padded(context), w = static_cast<double>(head_dim) + kExtras + 1, tiles = rows / kDeviceTileRows;
  const double energies = rows * w + tiles * w * w;
  const double applied = rows * kDeviceTileRows + 2 * rows * kVectors + tiles * w * kVectors;
  return kElement * (causal_field(rows, w, 1) + rows + std::max(energies, applied));
}

}  // namespace logitfield::kernels

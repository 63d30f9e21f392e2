#pragma once
#include <cstdint>

// Sizes of the field computations of the CUDA back end. A plan uses them to count device memory, even on a machine
// without a device.
namespace logitfield::kernels {

/// Rows of a tile, inside which causal logits are explicit. Matrices of rows are padded with zero rows up to a multiple
/// of kRowPadding.
inline constexpr std::int64_t kDeviceTileRows = 64, kRowPadding = 256;
constexpr std::int64_t padded_rows(std::int64_t rows) { return (rows + kRowPadding - 1) / kRowPadding * kRowPadding; }

/// Heads of a layer in one context, `kv_heads` KV heads each read by `members` query heads, and the routes to take.
struct DeviceFields {
  std::int64_t context = 0, head_dim = 0, kv_heads = 0, members = 1;
  bool factored = false, dense = false;
};

/// Return how many KV heads are measured together, and how many fields are decomposed together: as many as a bound on
/// memory allows.
std::int64_t kv_heads_together(const DeviceFields& fields);
std::int64_t dense_together(std::int64_t length, std::int64_t heads);

/// Returns the most bytes of device memory for the heads that are measured together.
double device_bytes(const DeviceFields& fields);
/// Bytes for the causal field of one head while the Krylov method applies it.
double krylov_device_bytes(std::int64_t context, std::int64_t head_dim);
/// Bytes for the float64 attention of one query head: its keys, a strip of logits, and the statistics of each row.
double attention_device_bytes(std::int64_t length, std::int64_t head_dim);
/// Bytes for the attention of bfloat16 heads, which are measured all at once.
double bf16_attention_device_bytes(std::int64_t length, std::int64_t heads);
/// Most bytes, beside the matrix, for the singular values of a matrix [n, n].
constexpr double decomposing_bytes(std::int64_t n) { return 8 * (140.0 * static_cast<double>(n) + 1000); }

}  // namespace logitfield::kernels

#pragma once
#include <limits>
#include <span>
#include <vector>

#include "kernels/cuda/operations.hpp"
#include "kernels/device.hpp"
#include "kernels/scope.hpp"

namespace logitfield::kernels::cuda {

/// cos and sin [positions, pairs] in device memory; see cpu/rotary.hpp.
struct RotaryView {
  const float* cosine = nullptr;
  const float* sine = nullptr;
  int first_column = 0, pairs = 0;
  io::RotaryPairs form = io::RotaryPairs::halves;
};

/// Places of the columns of heads among projected rows [length, stride]. Head h's own columns start at first + h *
/// head_stride; columns from `own` on come from `shared_rows`, the same for all heads.
struct HeadColumns {
  const float* rows = nullptr;
  std::int64_t stride = 0, first = 0, head_stride = 0;
  int own = 0;
  const float* shared_rows = nullptr;
  std::int64_t shared_stride = 0;
};

/// Operations on a head's row, in this order: norm, clip, rotation, factor.
struct HeadSteps {
  bool has_norm = false;
  NormView norm;
  /// The norm follows the rotation.
  bool norm_last = false;
  /// The gain holds the gains of all heads, one after the other.
  bool gain_by_head = false;
  /// Factor of each position, replacing the row's own factor (norms over all heads).
  const float* row_factors = nullptr;
  /// Negative: none.
  float clip = -1;
  RotaryView rotary;
  float factor = 1;
};

/// Returns the columns of a head with the padding that tensor cores need.
__host__ __device__ constexpr std::int64_t padded(std::int64_t columns) {
  return (columns + kDeviceHeadMultiple - 1) / kDeviceHeadMultiple * kDeviceHeadMultiple;
}

/// Splits projected rows into heads: rows [heads * length, columns], head by head, as `plain` (null: not wanted) in
/// float32 and as `narrow` in T. Rows of `narrow` have padded(columns), with zeros at the end. `plain` holds the
/// numbers of `narrow`, which enter the dot product.
template <class T>
void prepare_heads(const HeadColumns& from, const HeadSteps& steps, std::int64_t heads, std::int64_t length,
                   int columns, float* plain, T* narrow, const Stream& stream);

/// squares[i] = sum over the heads' columns at position i, float64.
void head_squares(const HeadColumns& from, std::int64_t heads, std::int64_t length, int columns, double* squares,
                  const Stream& stream);

/// The form of Visible that kernels use; 0: none.
struct KeyMask {
  std::int64_t window = 0, chunk = 0;

  __host__ __device__ std::int64_t first_key(std::int64_t i) const {
    if (window > 0) return i < window ? 0 : i - window + 1;
    return chunk > 0 ? i / chunk * chunk : 0;
  }
  bool operator==(const KeyMask&) const = default;
};
inline KeyMask key_mask(const Visible& visible) { return {visible.window, visible.chunk}; }

/// The form of LogitForm that kernels use; cap 0: none; sink -inf: none.
struct HeadForm {
  float scale = 0, slope = 0, cap = 0;
  KeyMask mask = {};
  float sink = -std::numeric_limits<float>::infinity();
  bool operator==(const HeadForm&) const = default;
};
std::vector<HeadForm> head_forms(std::span<const LogitForm> forms);

/// Causal softmax attention of all heads, online, over the keys that their forms' masks show, and the
/// forms' sinks. Inputs as prepare_heads
/// leaves them: queries [heads * length, padded(head_dim)], keys [kv_heads * length, same], values [kv_heads * length,
/// padded(value_dim)]; out [length, heads * value_dim]. Dimensions up to kMostDeviceHeadColumns. Float: SIMT; Bf16:
/// tensor cores, float32 sums.
struct AttentionSizes {
  std::int64_t heads = 0, kv_heads = 0, length = 0;
  int head_dim = 0, value_dim = 0;
};
void attend(const AttentionSizes& sizes, const HeadForm* forms, const float* queries, const float* keys,
            const float* values, float* out, const Stream& stream);
void attend(const AttentionSizes& sizes, const HeadForm* forms, const Bf16* queries, const Bf16* keys,
            const Bf16* values, Bf16* out, const Stream& stream);

}  // namespace logitfield::kernels::cuda

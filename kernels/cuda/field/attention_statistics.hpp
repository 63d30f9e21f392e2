#pragma once
#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/worker.hpp"

namespace logitfield::kernels::cuda {

/// Computes statistics of the causal softmax of a head's first `length` rows, in float64: [length, 3], the largest
/// logit, the entropy, and the weight of position 0. Forms logits in strips of kRowPadding rows, never L x L. L^2 d
/// flops. Complete once the worker's stream has been waited for.
HostRows softmax_rows(const Worker& worker, const DeviceHeads& heads, Index head, Index kv_head, const LogitForm& form,
                      Index length);

/// Computes them for all heads in bf16 (heads.narrow_queries), from float32 logits.
std::vector<HostRows> narrow_softmax_rows(const Worker& worker, const DeviceHeads& heads,
                                          std::span<const LogitForm> forms, Index length);

}  // namespace logitfield::kernels::cuda

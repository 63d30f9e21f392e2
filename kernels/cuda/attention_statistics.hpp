#pragma once
#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/tall_factor.hpp"

namespace logitfield::kernels::cuda {

/// Statistics of the causal softmax of each of a head's first `length` rows, in float64: largest logit, entropy, weight
/// of position 0: [length, 3]. Logits are formed by strips of kRowPadding rows, never L x L. L^2 d flops.
Matrix softmax_rows(const Worker& worker, const DeviceHeads& heads, Index head, Index kv_head, const LogitForm& form,
                    Index length);

/// The same of all heads in bf16 (heads.narrow_queries), from float32 logits: one matrix a head.
std::vector<Matrix> narrow_softmax_rows(const Worker& worker, const DeviceHeads& heads,
                                        std::span<const LogitForm> forms, Index length);

}  // namespace logitfield::kernels::cuda

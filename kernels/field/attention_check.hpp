#pragma once
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/row_sample.hpp"

namespace logitfield::kernels {

/// Compares the softmax of the sampled rows with that of their logits, which were formed one by one. Returns the
/// largest ratio of a difference to the bound that `rows.rounding` allows: at most 1. The logits must be those of the
/// whole context. `largest_key` is the largest norm of a key.
double attention_margin(const AttentionRows& rows, const SampledLogits& sampled, const LogitForm& form, Index head_dim,
                        double largest_key);

}  // namespace logitfield::kernels

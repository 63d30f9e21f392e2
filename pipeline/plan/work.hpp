#pragma once
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Size of the largest of some slices.
double largest(const std::vector<Slice>& slices);

/// Of one text in one layer, all heads: products with weights, and those of attention; in flops.
struct LayerFlops {
  double weights = 0, attention = 0;
};
LayerFlops layer_flops(const Job& job, std::int64_t layer);
/// Of one text: output logits, where the loss is wanted.
double output_flops(const Job& job);
/// The whole run.
double forward_flops(const Job& job);
double field_flops(const Job& job, const std::vector<FieldPlan>& fields, bool on_devices);
/// So many draws from every head: drawn, and measured.
double head_null_flops(const Job& job, const std::vector<FieldPlan>& fields, std::int64_t draws);

/// The longest context in which attention is measured; 0: none.
std::int64_t longest_attended(const std::vector<FieldPlan>& fields);
/// Logits that attention statistics form by themselves in a context of `longest` tokens, over those of all measured
/// layers without windows. Captures' and devices'; on CPUs the forward pass finds a model's on its way: 0.
double attended_apart(const Job& job, std::int64_t longest, bool on_devices);

/// Bytes of all weights as they lie in the files; of a shape, as BF16.
std::uint64_t weight_bytes(const Job& job);
/// Of journal and derived files: some 70 numbers, the singular values and two profiles a head and field; and
/// some 40 numbers a draw from a head.
std::uint64_t result_bytes(const Job& job, const std::vector<FieldPlan>& fields, std::int64_t head_null_draws);

}  // namespace logitfield

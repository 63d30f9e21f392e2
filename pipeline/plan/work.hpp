#pragma once
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Size of the largest slice.
double largest(const std::vector<Slice>& slices);

/// Flops of one text in one layer, all heads: products with weights, and products of attention.
struct LayerFlops {
  double weights = 0, attention = 0;
};
LayerFlops layer_flops(const JobSizes& job, std::int64_t layer);
/// Flops of one text's output logits, where the loss is wanted.
double output_flops(const JobSizes& job);
/// Flops of the whole run.
double forward_flops(const JobSizes& job);
double field_flops(const JobSizes& job, const std::vector<FieldPlan>& fields, bool on_devices);
/// Flops of this many draws from every head, including their measurement.
double head_null_flops(const JobSizes& job, const std::vector<FieldPlan>& fields, std::int64_t draws);

/// The longest context in which attention is measured; 0 if it is not.
std::int64_t longest_attended(const std::vector<FieldPlan>& fields);
/// Number of logits that attention statistics must form separately in a context of `longest` tokens, divided by the
/// number in all measured layers without windows. Needed for captures and on devices. 0 for a model on CPUs, where the
/// forward pass computes the statistics as a by-product.
double attended_apart(const JobSizes& job, std::int64_t longest, bool on_devices);

/// Bytes of all weights: as stored in the files; of an imagined model as BF16; of a capture none.
std::uint64_t weight_bytes(const JobSizes& job);
/// Numbers in the lists that are kept of a head's field: singular values, and shares of key and query positions.
std::int64_t listed_numbers(const JobSizes& job, const FieldPlan& field);
/// Upper bound of the bytes of the run folder: saved states, journal and derived files. Fitted to runs of 5 to 24
/// layers, which took between a half of it and all of it.
std::uint64_t result_bytes(const JobSizes& job, const std::vector<FieldPlan>& fields, std::int64_t null_draws,
                           std::int64_t head_null_draws);

}  // namespace logitfield

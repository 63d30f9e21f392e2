#pragma once
#include "kernels/block_cost.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Bytes of a number.
inline constexpr double kFloat = sizeof(float), kDouble = sizeof(double);

/// Bytes of host memory on the rank that needs most: weights in the job's precision, activations in float32, fields in
/// float64, buffers. With a GPU, only what stays on the host counts, with `device_workers` threads (0: no GPU). Reads
/// the plan's partition, residency and fields.
double memory_of(const JobSizes& job, const Plan& plan, int device_workers);

/// The part of memory_of that the statistics of Gaussian heads take.
double null_bytes(const JobSizes& job, const Plan& plan);

/// Bytes of GPU memory on that rank: weights and operands of matrix products in the job's precision; hidden states, Q
/// and K in float32; fields in float64, `workers` of them at a time. The memory of libraries is not counted.
double device_memory_of(const JobSizes& job, const Plan& plan, int workers);

/// The part of the largest layer that a shard computes.
kernels::BlockSize largest_block(const JobSizes& job, const Partition& partition);
/// Number of weights that a rank holds. Where they are not resident, `layers` layers are held at a time.
double weight_values(const JobSizes& job, const Plan& plan, double layers);
/// Number of texts whose hidden states a rank holds.
double held_texts(const JobSizes& job, const Plan& plan);

}  // namespace logitfield

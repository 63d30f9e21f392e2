#pragma once
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Bytes of its host that the rank which needs most will hold: weights in the job's precision, activations in float32,
/// fields in float64, buffers; where it computes on a GPU, what stays on the host, with `device_workers` threads (0: no
/// GPU). Reads the plan's partition, residency and fields.
double memory_of(const Job& job, const Plan& plan, int device_workers);

/// Bytes of GPU memory that it will hold: weights, and what enters matrix products, in the job's precision; hidden
/// states, Q and K in float32; fields in float64, `workers` of them at a time. Without what libraries take.
double device_memory_of(const Job& job, const Plan& plan, int workers);

/// Bytes of a number that matrix products of the job's precision take in.
double product_number(const Job& job);

/// Fields that a rank's `workers` threads measure at a time on its GPU.
double fields_at_a_time(const Job& job, const Plan& plan, int workers);

/// Values of the weights that a rank holds, of which `layers` layers are there at a time where they are not resident.
double weight_values(const Job& job, const Plan& plan, double layers);
/// Texts whose hidden states a rank holds.
double held_texts(const Job& job, const Plan& plan);
/// Rows of the widest network that a shard computes.
double widest_mlp(const io::ModelConfig& config, const Partition& partition);

}  // namespace logitfield

#pragma once
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/job.hpp"
#include "pipeline/record.hpp"

namespace logitfield {

/// Field statistics of the heads of some KV heads [kv_heads.begin, kv_heads.end) of one layer, every context.
std::vector<HeadRecord> measure_heads(const kernels::Backend& backend, const kernels::QueriesKeys& queries_keys,
                                      const Job& job, Slice kv_heads);

}  // namespace logitfield

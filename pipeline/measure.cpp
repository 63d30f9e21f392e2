#include "pipeline/measure.hpp"

namespace logitfield {

std::vector<HeadRecord> measure_heads(const kernels::Backend& backend, const kernels::QueriesKeys& queries_keys,
                                      const Job& job, Slice kv_heads) {
  const std::int64_t group = job.extents.num_heads / job.extents.num_kv_heads, length = job.length();
  std::vector<HeadRecord> out;
  for (std::int64_t kv = 0; kv < kv_heads.size(); ++kv) {
    std::vector<kernels::MatrixFRef> queries;
    for (std::int64_t h = kv * group; h < (kv + 1) * group; ++h) {
      queries.emplace_back(queries_keys.queries.middleRows(h * length, length));
    }
    const kernels::MatrixFRef keys = queries_keys.keys.middleRows(kv * length, length);
    auto statistics = backend.full_field_statistics(queries, keys, job.scale, job.contexts);
    for (std::int64_t h = 0; h < group; ++h) {
      const std::int64_t kv_head = kv_heads.begin + kv;
      out.push_back({kv_head * group + h, kv_head, std::move(statistics[h])});
    }
  }
  return out;
}

}  // namespace logitfield

#pragma once
#include "kernels/field_request.hpp"

// What a field costs on the CPU back end, counted from the tiles and blocks of its kernels: a plan asks here.
namespace logitfield::kernels::cpu {

/// A field of the query heads that read one KV head.
struct FieldSize {
  FieldRequest request;
  std::int64_t head_dim = 0, group_size = 1;
  /// ALiBi gives the factors a column of positions.
  bool slopes = false;
  /// The window or chunks that mask the field (mask_of).
  Visible mask = {};
};

/// Flops of one query head's field.
double field_flops(const FieldSize& size);
/// Most bytes on a rank that holds `rows` of the context's rows: float32 rows of the KV group, and one field. Of the
/// ScaLAPACK route, without the distributed field.
double field_bytes(const FieldSize& size, std::int64_t rows);

/// Flops of one query head's attention over the first `length` tokens.
double attention_flops(std::int64_t length, std::int64_t head_dim);
/// Bytes of it.
double attention_bytes(std::int64_t length, std::int64_t head_dim);

/// Flops to draw one head's queries and keys [length, head_dim] with the moments of others (row_moments.hpp).
double drawing_flops(std::int64_t length, std::int64_t head_dim);

}  // namespace logitfield::kernels::cpu

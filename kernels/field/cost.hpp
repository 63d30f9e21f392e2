#pragma once
#include "kernels/field_request.hpp"

// Counts what a field costs on the CPU back end, from the tiles and blocks of its kernels. Planning uses these
// functions.
namespace logitfield::kernels {

/// A field of the query heads that read one KV head.
struct FieldSize {
  FieldRequest request;
  std::int64_t head_dim = 0, group_size = 1;
  /// ALiBi gives the factors a column of positions.
  bool slopes = false;
  /// The window or chunks that mask the field (mask_of).
  Visible mask = {};
};

/// Returns the flops of one query head's field.
double field_flops(const FieldSize& size);
/// Returns the most bytes on a rank that holds `rows` rows of the context: float32 rows of the KV group, and one field.
/// For the ScaLAPACK route, the distributed field is not included.
double field_bytes(const FieldSize& size, std::int64_t rows);

/// Returns the flops of one query head's attention over the first `length` tokens.
double attention_flops(std::int64_t length, std::int64_t head_dim);
/// Returns the bytes of this attention.
double attention_bytes(std::int64_t length, std::int64_t head_dim);

/// Returns the flops to draw one head's queries and keys [length, head_dim] with the moments of others
/// (row_moments.hpp).
double drawing_flops(std::int64_t length, std::int64_t head_dim);

}  // namespace logitfield::kernels

#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// How far the rows of the full field are from summing to zero. See Certificate.
struct ZeroSum {
  /// max_i |sum_j E_ij| / sum_j |E_ij|.
  double residual = 0;
  /// max_i of that over what rounding can make of row i: at most 1.
  double margin = 0;
};

/// Forms the logits of at most 64 rows, evenly spaced and the last among them (all rows where there are no more),
/// centres them and adds them up. 128 L d flops: the algebra holds for every row alike, the check need not cost L^2.
ZeroSum measure_zero_sum(const MatrixRef& queries, const MatrixRef& keys, double scale);

}  // namespace logitfield::kernels::cpu

#pragma once
#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/worker.hpp"

namespace logitfield::kernels::cuda {

/// Forms the field [form.length, form.length] of one head directly from its logits, which are products of these rows,
/// and the sums of centre_rows [form.length, kDirectSums]. All in device memory.
void form_field(const Worker& worker, const FactorForm& queries, const FactorForm& keys, const DirectForm& form,
                double* field, double* sums);

}  // namespace logitfield::kernels::cuda

#pragma once
#include <vector>

#include "kernels/cuda/field_operations.hpp"
#include "kernels/cuda/worker.hpp"
#include "kernels/field/routes.hpp"

namespace logitfield::kernels::cuda {

/// Some rows of a field on the device [count, form.length], formed straight from their logits, and the sums of
/// centre_rows [count, kDirectSums].
struct DirectRows {
  Buffer<double> field;
  Matrix sums;
};

/// Forms them. `queries` are those at `positions`, in that order; keys [form.length, queries.width()].
DirectRows direct_rows(const Worker& worker, const FactorForm& queries, const double* keys, const DirectForm& form,
                       std::span<const Index> positions);

/// Forms the whole field and copies it to the host in strips of kRowPadding rows; no [L, L] on the device. `queries`:
/// all queries, with constant extra columns.
cpu::FormedField direct_field(const Worker& worker, const FactorForm& queries, const double* keys,
                              const DirectForm& form);

}  // namespace logitfield::kernels::cuda

#pragma once
#include <vector>

#include "kernels/cuda/tall_factor.hpp"
#include "kernels/field/routes.hpp"

namespace logitfield::kernels::cuda {

/// Some rows of a field on the device [count, form.length], formed straight from their logits; and centre_rows' sums
/// [count, kDirectSums].
struct DirectRows {
  Buffer<double> field;
  Matrix sums;
};

/// `queries` are those at `positions`, in that order; keys [form.length, queries.width()].
DirectRows direct_rows(const Worker& worker, const FactorForm& queries, const double* keys, const DirectForm& form,
                       std::span<const Index> positions);

/// The whole field, copied to the host by strips of kRowPadding rows: no [L, L] on the device. `queries`: all, their
/// extra columns constant.
cpu::FormedField direct_field(const Worker& worker, const FactorForm& queries, const double* keys,
                              const DirectForm& form);

}  // namespace logitfield::kernels::cuda

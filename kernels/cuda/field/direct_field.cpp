#include "kernels/cuda/field/direct_field.hpp"

namespace logitfield::kernels::cuda {

void form_field(const Worker& worker, const FactorForm& queries, const FactorForm& keys, const DirectForm& form,
                double* field, double* sums) {
  const Index length = form.length, padded = padded_rows(length), width = keys.width();
  Buffer<double> of_queries(padded * width, worker.stream), of_keys(padded * width, worker.stream);
  make_factor(queries, of_queries.data(), worker.stream);
  make_factor(keys, of_keys.data(), worker.stream);
  worker.products.multiply_transposed({length, length, width}, {of_queries.data(), width}, {of_keys.data(), width},
                                      {field, length});
  centre_rows(form, nullptr, 1, length, field, sums, worker.stream);
}

}  // namespace logitfield::kernels::cuda

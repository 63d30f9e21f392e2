#include "kernels/cuda/singular_values.hpp"
#include "kernels/spectra/lapack.hpp"
namespace logitfield::kernels::cuda {
Buffer<double> singular_values(const Worker& worker, double* matrices, Index n, Index count) {
  Matrix all(count, n);
  for (Index c = 0; c < count; ++c) {
    Matrix a(n, n);
    copy(a.data(), matrices + c * n * n, sizeof(double) * static_cast<std::size_t>(n * n), worker.stream);
    worker.stream.wait();
    if (!a.allFinite()) {
      all.row(c).setConstant(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    auto s = cpu::singular_values(a);
    for (Index i = 0; i < n; ++i) all(c, i) = s[static_cast<std::size_t>(i)];
  }
  return upload(all, worker);
}
}  // namespace logitfield::kernels::cuda

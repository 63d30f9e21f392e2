#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "kernels/cuda/number.hpp"
#include "kernels/cuda/runtime.hpp"

namespace logitfield::kernels::cuda {

/// Matrix products on a stream, row-major, by cuBLAS. Sizes and strides in elements; a matrix [n, w] has rows of stride
/// >= w.
class Products {
 public:
  Products(const Stream& stream, Precision precision);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// Device memory that cuBLAS may take for each Products object (on Hopper; elsewhere less).
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  template <class T>
  struct Rows {
    T* data = nullptr;
    std::int64_t stride = 0;
    /// Distance from one matrix of a batch to the next.
    std::int64_t batch_stride = 0;
  };
  /// Sizes of a product: y [m, n] from sums of k terms.
  struct Sizes {
    std::int64_t m = 0, n = 0, k = 0, batch = 1;
  };

  /// y = x w^T with x [m, k], w [n, k]: float32 sums of float32 (or tf32) or bf16 products.
  void linear(const Sizes& sizes, Rows<const float> x, Rows<const float> w, Rows<float> y) const;
  void linear(const Sizes& sizes, Rows<const Bf16> x, Rows<const Bf16> w, Rows<float> y) const;
  void linear(const Sizes& sizes, Rows<const Bf16> x, Rows<const Bf16> w, Rows<Bf16> y) const;

  /// float64: y = x w + keep y with x [m, k], w [k, n]; the same with w^T, w [n, k]; with x^T, x [k, m].
  void multiply(const Sizes& sizes, Rows<const double> x, Rows<const double> w, Rows<double> y, double keep = 0) const;
  void multiply_transposed(const Sizes& sizes, Rows<const double> x, Rows<const double> w, Rows<double> y) const;
  void transpose_multiply(const Sizes& sizes, Rows<const double> x, Rows<const double> w, Rows<double> y,
                          double keep = 0) const;
  /// float64: x <- x r^-1 with x [m, n], r [n, n] upper triangular.
  void divide(std::int64_t m, std::int64_t n, Rows<const double> r, Rows<double> x) const;

 private:
  void* handle_ = nullptr;
  Precision precision_;
};

}  // namespace logitfield::kernels::cuda

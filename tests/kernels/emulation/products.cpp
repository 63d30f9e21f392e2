#include "kernels/cuda/products.hpp"

#include <cblas.h>

#include "kernels/matrix.hpp"

// Emulation of cuBLAS: products of rounded numbers, computed by OpenBLAS.
namespace logitfield::kernels::cuda {
namespace {

float round_to_tf32(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000U) & ~0x1fffU;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class T>
MatrixF matrix_of(Products::Rows<const T> rows, std::int64_t begin, std::int64_t n, std::int64_t w, bool tf32) {
  MatrixF out(n, w);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < w; ++j) {
      const float x = to_float(rows.data[begin + i * rows.stride + j]);
      out(i, j) = tf32 ? round_to_tf32(x) : x;
    }
  }
  return out;
}

template <class In, class Out>
void linear_by(const Products::Sizes& s, Products::Rows<const In> x, Products::Rows<const In> w, Products::Rows<Out> y,
               bool tf32) {
  for (std::int64_t b = 0; b < s.batch; ++b) {
    const MatrixF product =
        matrix_of(x, b * x.batch_stride, s.m, s.k, tf32) * matrix_of(w, b * w.batch_stride, s.n, s.k, tf32).transpose();
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        y.data[b * y.batch_stride + i * y.stride + j] = from_float<Out>(product(i, j));
      }
    }
  }
}

int size(std::int64_t n) { return static_cast<int>(n); }

void double_by(CBLAS_TRANSPOSE of_x, CBLAS_TRANSPOSE of_w, const Products::Sizes& s, Products::Rows<const double> x,
               Products::Rows<const double> w, Products::Rows<double> y, double keep) {
  for (std::int64_t b = 0; b < s.batch; ++b) {
    cblas_dgemm(CblasRowMajor, of_x, of_w, size(s.m), size(s.n), size(s.k), 1, x.data + b * x.batch_stride,
                size(x.stride), w.data + b * w.batch_stride, size(w.stride), keep, y.data + b * y.batch_stride,
                size(y.stride));
  }
}

}  // namespace

Products::Products(const Stream&, Precision precision) : precision_(precision) {}
Products::~Products() = default;

void Products::linear(const Sizes& s, Rows<const float> x, Rows<const float> w, Rows<float> y) const {
  linear_by(s, x, w, y, precision_ == Precision::tf32);
}
void Products::linear(const Sizes& s, Rows<const Bf16> x, Rows<const Bf16> w, Rows<float> y) const {
  linear_by(s, x, w, y, false);
}
void Products::linear(const Sizes& s, Rows<const Bf16> x, Rows<const Bf16> w, Rows<Bf16> y) const {
  linear_by(s, x, w, y, false);
}
void Products::multiply(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y, double keep) const {
  double_by(CblasNoTrans, CblasNoTrans, s, x, w, y, keep);
}
void Products::multiply_transposed(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y) const {
  double_by(CblasNoTrans, CblasTrans, s, x, w, y, 0);
}
void Products::transpose_multiply(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y,
                                  double keep) const {
  double_by(CblasTrans, CblasNoTrans, s, x, w, y, keep);
}
void Products::divide(std::int64_t m, std::int64_t n, Rows<const double> r, Rows<double> x) const {
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, size(m), size(n), 1, r.data,
              size(r.stride), x.data, size(x.stride));
}

}  // namespace logitfield::kernels::cuda

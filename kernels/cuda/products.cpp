#include "kernels/cuda/products.hpp"

#include <cublas_v2.h>
#include <fmt/format.h>

namespace logitfield::kernels::cuda {
namespace {

cublasHandle_t handle_of(void* handle) { return static_cast<cublasHandle_t>(handle); }

void check_blas(cublasStatus_t status, const char* call, const Products::Sizes& s,
                const std::source_location& where = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  int device = -1;
  cudaGetDevice(&device);
  throw DeviceError(fmt::format("{} of {} products [{} x {}] x [{} x {}] failed on CUDA device {}: {} [{}]", call,
                                s.batch, s.m, s.k, s.k, s.n, device, cublasGetStatusString(status), place_of(where)));
}

template <class T>
constexpr cudaDataType_t kType = CUDA_R_32F;
template <>
constexpr cudaDataType_t kType<Bf16> = CUDA_R_16BF;

// cuBLAS is column-major and sees a row-major matrix as its transpose, so y^T = w x^T is requested.
template <class In, class Out>
void linear_by(void* handle, cublasComputeType_t compute, const Products::Sizes& s, Products::Rows<const In> x,
               Products::Rows<const In> w, Products::Rows<Out> y) {
  if (s.m == 0 || s.n == 0) return;
  const float one = 1, zero = 0;
  check_blas(cublasGemmStridedBatchedEx_64(handle_of(handle), CUBLAS_OP_T, CUBLAS_OP_N, s.n, s.m, s.k, &one, w.data,
                                           kType<In>, w.stride, w.batch_stride, x.data, kType<In>, x.stride,
                                           x.batch_stride, &zero, y.data, kType<Out>, y.stride, y.batch_stride, s.batch,
                                           compute, CUBLAS_GEMM_DEFAULT),
             "cublasGemmStridedBatchedEx", s);
}

void double_by(void* handle, cublasOperation_t of_w, cublasOperation_t of_x, const Products::Sizes& s,
               Products::Rows<const double> x, Products::Rows<const double> w, Products::Rows<double> y, double keep) {
  if (s.m == 0 || s.n == 0) return;
  const double one = 1;
  check_blas(
      cublasDgemmStridedBatched_64(handle_of(handle), of_w, of_x, s.n, s.m, s.k, &one, w.data, w.stride, w.batch_stride,
                                   x.data, x.stride, x.batch_stride, &keep, y.data, y.stride, y.batch_stride, s.batch),
      "cublasDgemmStridedBatched", s);
}

}  // namespace

Products::Products(const Stream& stream, Precision precision) : precision_(precision) {
  cublasHandle_t handle;
  check_blas(cublasCreate(&handle), "cublasCreate", {});
  handle_ = handle;
  check_blas(cublasSetStream(handle, static_cast<cudaStream_t>(stream.handle())), "cublasSetStream", {});
}
Products::~Products() { cublasDestroy(handle_of(handle_)); }

void Products::linear(const Sizes& s, Rows<const float> x, Rows<const float> w, Rows<float> y) const {
  const bool tf32 = precision_ == Precision::tf32;
  linear_by(handle_, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, s, x, w, y);
}
void Products::linear(const Sizes& s, Rows<const Bf16> x, Rows<const Bf16> w, Rows<float> y) const {
  linear_by(handle_, CUBLAS_COMPUTE_32F, s, x, w, y);
}
void Products::linear(const Sizes& s, Rows<const Bf16> x, Rows<const Bf16> w, Rows<Bf16> y) const {
  linear_by(handle_, CUBLAS_COMPUTE_32F, s, x, w, y);
}

void Products::multiply(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y, double keep) const {
  double_by(handle_, CUBLAS_OP_N, CUBLAS_OP_N, s, x, w, y, keep);
}
void Products::multiply_transposed(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y) const {
  double_by(handle_, CUBLAS_OP_T, CUBLAS_OP_N, s, x, w, y, 0);
}
void Products::transpose_multiply(const Sizes& s, Rows<const double> x, Rows<const double> w, Rows<double> y,
                                  double keep) const {
  double_by(handle_, CUBLAS_OP_N, CUBLAS_OP_T, s, x, w, y, keep);
}

// x^T <- r^-T x^T; in column-major order r^T is lower triangular.
void Products::divide(std::int64_t m, std::int64_t n, Rows<const double> r, Rows<double> x) const {
  const double one = 1;
  check_blas(cublasDtrsm_64(handle_of(handle_), CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N,
                            CUBLAS_DIAG_NON_UNIT, n, m, &one, r.data, r.stride, x.data, x.stride),
             "cublasDtrsm", {m, n, n, 1});
}

}  // namespace logitfield::kernels::cuda

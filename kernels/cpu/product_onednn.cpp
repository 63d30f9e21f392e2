#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <dnnl.hpp>
#include <stdexcept>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

using dnnl::memory;
using Target = Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>>;

/// Weights of a product at a time, in bytes: more rows of them make oneDNN's products of bfloat16 numbers slower.
constexpr Index kTileBytes = Index{12} << 20;

const dnnl::engine& engine() {
  static const dnnl::engine one(dnnl::engine::kind::cpu, 0);
  return one;
}

template <class Scalar>
constexpr memory::data_type kType = memory::data_type::f32;
template <>
constexpr memory::data_type kType<Eigen::bfloat16> = memory::data_type::bf16;

/// A row-major matrix in memory that is its caller's, or the same seen as its transpose. oneDNN has no pointers to
/// const; what it only reads stays as it is.
template <class Matrix>
memory matrix_at(const Matrix& m) {
  const memory::desc layout({m.rows(), m.cols()}, kType<typename Matrix::Scalar>, {m.outerStride(), 1});
  return {layout, engine(), const_cast<typename Matrix::Scalar*>(m.data())};
}
template <class Matrix>
memory transpose_at(const Matrix& m) {
  const memory::desc layout({m.cols(), m.rows()}, kType<typename Matrix::Scalar>, {1, m.outerStride()});
  return {layout, engine(), const_cast<typename Matrix::Scalar*>(m.data())};
}

void execute(const memory& x, const memory& w, const memory& y) {
  // Kept by oneDNN from call to call.
  const dnnl::matmul product({dnnl::matmul::desc(x.get_desc(), w.get_desc(), y.get_desc()), engine()});
  dnnl::stream stream(engine());
  product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
  stream.wait();
}

/// The newest instructions that oneDNN uses for bfloat16 numbers here; empty: none.
std::string_view bfloat16_instructions() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX512_BF16";
    default:
      return {};
  }
}

void require_bfloat16() {
  if (!can_multiply(Precision::bf16)) throw std::invalid_argument("this processor multiplies in float32 only");
}

}  // namespace

void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) {
  y.resize(x.rows(), w.rows());
  if (y.size() > 0) execute(matrix_at(x), transpose_at(w), matrix_at(y));
}

void multiply_transposed(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y) {
  require_bfloat16();
  y.resize(x.rows(), w.rows());
  if (y.size() == 0) return;
  const Index tile = std::max<Index>(32, kTileBytes / 2 / std::max<Index>(1, w.cols()) / 32 * 32);
  for (Index first = 0; first < w.rows(); first += tile) {
    const Index outputs = std::min(tile, w.rows() - first);
    const Target part = y.middleCols(first, outputs);
    execute(matrix_at(x), transpose_at(w.middleRows(first, outputs)), matrix_at(part));
  }
}

void multiply(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) {
  y.resize(x.rows(), w.cols());
  if (y.size() > 0) execute(matrix_at(x), matrix_at(w), matrix_at(y));
}

void multiply(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y) {
  require_bfloat16();
  y.resize(x.rows(), w.cols());
  if (y.size() > 0) execute(matrix_at(x), matrix_at(w), matrix_at(y));
}

bool can_multiply(Precision precision) {
  return precision == Precision::float32 || (precision == Precision::bf16 && !bfloat16_instructions().empty());
}

std::string product_library() {
  const dnnl_version_t* v = dnnl::version();
  const std::string_view instructions = bfloat16_instructions();
  return fmt::format("oneDNN {}.{}.{}{}", v->major, v->minor, v->patch,
                     instructions.empty() ? "" : fmt::format(" ({})", instructions));
}

void use_one_thread() { omp_set_num_threads(1); }

}  // namespace logitfield::kernels::cpu

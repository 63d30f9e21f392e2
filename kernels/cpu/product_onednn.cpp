#include <fmt/format.h>
#include <omp.h>

#include <dnnl.hpp>
#include <stdexcept>
#include <type_traits>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine one(dnnl::engine::kind::cpu, 0);
  return one;
}

template <class Scalar>
constexpr bool kIsBfloat16 = std::is_same_v<Scalar, Eigen::bfloat16>;
template <class Scalar>
constexpr memory::data_type kType = kIsBfloat16<Scalar> ? memory::data_type::bf16 : memory::data_type::f32;

/// A row-major matrix in its caller's memory, or its transpose. oneDNN has no pointers to const; it does not change
/// what it only reads.
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

/// Returns the newest instructions that oneDNN uses for bfloat16 numbers here; empty if there are none. The mask of
/// each set includes the sets below it.
std::string_view bfloat16_instructions() {
  const auto have = [](dnnl::cpu_isa set) {
    const auto mask = static_cast<unsigned>(set);
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & mask) == mask;
  };
  if (have(dnnl::cpu_isa::avx512_core_amx)) return "AMX";
  return have(dnnl::cpu_isa::avx512_core_bf16) ? "AVX512_BF16" : "";
}

/// oneDNN 3 no longer has operation descriptors.
dnnl::matmul::primitive_desc description(const memory& x, const memory& w, const memory& y) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), x.get_desc(), w.get_desc(), y.get_desc()};
#else
  return {dnnl::matmul::desc(x.get_desc(), w.get_desc(), y.get_desc()), engine()};
#endif
}

/// y = x W for W [k, columns].
template <class Matrix>
void multiply_by(const memory& w, Index columns, const Matrix& x, MatrixF& y) {
  if (kIsBfloat16<typename Matrix::Scalar> && !can_multiply(Precision::bf16)) {
    throw std::invalid_argument("this processor multiplies in float32 only");
  }
  y.resize(x.rows(), columns);
  if (y.size() == 0) return;
  const memory source = matrix_at(x), target = matrix_at(y);
  // Cached by oneDNN from call to call.
  const dnnl::matmul product(description(source, w, target));
  dnnl::stream stream(engine());
  product.execute(stream, {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, target}});
  stream.wait();
}

}  // namespace

void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) {
  multiply_by(transpose_at(w), w.rows(), x, y);
}
void multiply_transposed(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y) {
  multiply_by(transpose_at(w), w.rows(), x, y);
}

void multiply(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) { multiply_by(matrix_at(w), w.cols(), x, y); }
void multiply(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y) { multiply_by(matrix_at(w), w.cols(), x, y); }

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

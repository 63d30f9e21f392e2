#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <dnnl.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

using dnnl::memory;
using Bits = std::vector<std::uint16_t>;
using Target = Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>>;

/// Weights that are rounded at a time: they stay in cache until they are used.
constexpr Index kTileElements = Index{1} << 19;

const dnnl::engine& engine() {
  static const dnnl::engine one(dnnl::engine::kind::cpu, 0);
  return one;
}

/// A row-major matrix in memory that is its caller's. oneDNN has no pointers to const; what it only reads stays as it
/// is.
memory matrix_at(const void* values, memory::data_type type, Index rows, Index cols, Index stride) {
  return {{{rows, cols}, type, {stride, 1}}, engine(), const_cast<void*>(values)};
}

/// The same, seen as its transpose.
memory transpose_at(const void* values, memory::data_type type, Index rows, Index cols, Index stride) {
  return {{{cols, rows}, type, {1, stride}}, engine(), const_cast<void*>(values)};
}

/// y = x W^T
void multiply(const memory& x, const memory& w_transposed, Target y) {
  const memory target = matrix_at(y.data(), memory::data_type::f32, y.rows(), y.cols(), y.outerStride());
  // Kept by oneDNN from call to call.
  const dnnl::matmul product({dnnl::matmul::desc(x.get_desc(), w_transposed.get_desc(), target.get_desc()), engine()});
  dnnl::stream stream(engine());
  product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w_transposed}, {DNNL_ARG_DST, target}});
  stream.wait();
}

/// The nearest bfloat16 numbers, ties to even; a NaN stays one.
void round_to_bfloat16(const MatrixFRef& values, Bits& out) {
  out.resize(static_cast<std::size_t>(values.size()));
  for (Index r = 0; r < values.rows(); ++r) {
    const float* row = values.data() + r * values.outerStride();
    std::uint16_t* to = out.data() + r * values.cols();
    for (Index c = 0; c < values.cols(); ++c) {
      const auto bits = std::bit_cast<std::uint32_t>(row[c]);
      const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
      to[c] = static_cast<std::uint16_t>((nan ? bits | 0x00400000U : bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
    }
  }
}

void multiply_in_bfloat16(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) {
  const Index inputs = x.cols(), tile = std::clamp<Index>(kTileElements / inputs / 32 * 32, 32, 4096);
  Bits rows, weights;
  round_to_bfloat16(x, rows);
  const memory source = matrix_at(rows.data(), memory::data_type::bf16, x.rows(), inputs, inputs);
  for (Index first = 0; first < w.rows(); first += tile) {
    const Index outputs = std::min(tile, w.rows() - first);
    round_to_bfloat16(w.middleRows(first, outputs), weights);
    multiply(source, transpose_at(weights.data(), memory::data_type::bf16, outputs, inputs, inputs),
             y.middleCols(first, outputs));
  }
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

}  // namespace

void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, Precision precision, MatrixF& y) {
  if (!can_multiply(precision)) throw std::invalid_argument("this processor multiplies in float32 only");
  y.resize(x.rows(), w.rows());
  if (y.size() == 0) return;
  if (precision == Precision::bf16) return multiply_in_bfloat16(x, w, y);
  multiply(matrix_at(x.data(), memory::data_type::f32, x.rows(), x.cols(), x.outerStride()),
           transpose_at(w.data(), memory::data_type::f32, w.rows(), w.cols(), w.outerStride()), y);
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

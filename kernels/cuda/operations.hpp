#pragma once
#include <cstdint>

#include "io/config/architecture.hpp"
#include "kernels/cuda/number.hpp"
#include "kernels/cuda/runtime.hpp"

// Kernels of the forward pass, row-major, all pointers to device memory. T: operand type of the matrix products, float
// or Bf16.
namespace logitfield::kernels::cuda {

/// Parameters of a norm; null: no gain (bias).
struct NormView {
  bool centred = false;
  double epsilon = 0;
  const float* gain = nullptr;
  const float* bias = nullptr;
};

/// out = norm of every row of `in` [rows, columns] (rows `stride` apart); sums in float64. In place where T is float.
template <class T>
void normalise(const float* in, std::int64_t stride, std::int64_t rows, std::int64_t columns, const NormView& norm,
               T* out, const Stream& stream);
/// out = in, converted to T.
template <class T>
void convert(const float* in, std::int64_t size, T* out, const Stream& stream);
/// Converts rows [rows, columns] with strides; the rest of each row of `out` is set to zero.
template <class T>
void convert_rows(const float* in, std::int64_t stride, std::int64_t rows, std::int64_t columns, T* out,
                  std::int64_t out_stride, const Stream& stream);
/// sum += term; both aligned to 16 bytes, as buffers are.
void add(const float* term, std::int64_t size, float* sum, const Stream& stream);
/// Every row [columns] += bias.
void add_bias(const float* bias, std::int64_t rows, std::int64_t columns, float* out, const Stream& stream);
/// values <- cap tanh(values / cap).
void soft_cap(float cap, std::int64_t size, float* values, const Stream& stream);

/// out = act(gate) * up, from rows [gate, up] [rows, 2 inner] plus bias (or null). If not gated, act(row) of rows
/// [rows, inner].
template <class T>
void activate(io::Activation activation, bool gated, const T* in, const float* bias, std::int64_t rows,
              std::int64_t inner, T* out, const Stream& stream);

/// The same for a clamped gate.
template <class T>
void activate(const io::ClampedGate& gate, const T* in, const float* bias, std::int64_t rows, std::int64_t inner,
              T* out, const Stream& stream);

/// out[i] = in[tokens[i]] for rows [count, columns].
template <class T>
void gather(const T* in, const std::int32_t* tokens, std::int64_t count, std::int64_t columns, T* out,
            const Stream& stream);
/// sum[tokens[i]] += weights[i] * said[i]; the tokens differ.
void scatter_add(const float* said, const std::int32_t* tokens, const float* weights, std::int64_t count,
                 std::int64_t columns, float* sum, const Stream& stream);

/// Three float64 per row of logits [rows, columns]: the largest logit, the sum of exp(logit - largest), and the logit
/// of column targets[row] - first_token (0 if there is no such column).
void loss_terms(const float* logits, std::int64_t rows, std::int64_t columns, std::int64_t first_token,
                const std::int32_t* targets, double* terms, const Stream& stream);

}  // namespace logitfield::kernels::cuda

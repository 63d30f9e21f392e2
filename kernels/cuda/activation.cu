#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/operations.hpp"

namespace logitfield::kernels::cuda {
namespace {

template <io::Activation kActivation>
__device__ float act(float x) {
  if constexpr (kActivation == io::Activation::silu) {
    return x / (1 + expf(-x));
  } else if constexpr (kActivation == io::Activation::relu) {
    return x > 0 || x != x ? x : 0.F;
  } else if constexpr (kActivation == io::Activation::gelu_tanh) {
    constexpr float kFactor = 0.7978845608028654F;  // sqrt(2 / pi)
    return 0.5F * x * (1 + tanhf(kFactor * (x + 0.044715F * x * x * x)));
  } else {
    constexpr float kInverseRoot = 0.7071067811865476F;  // 1 / sqrt 2
    return 0.5F * x * (1 + erff(x * kInverseRoot));
  }
}

template <io::Activation kActivation, class T>
__global__ void activate_kernel(bool gated, const T* in, const float* bias, int64_t size, int64_t inner, T* out) {
  const int64_t stride = gated ? 2 * inner : inner;
  for (int64_t i = first_element(); i < size; i += element_step()) {
    const int64_t column = i % inner;
    const T* row = in + i / inner * stride;
    float y = act<kActivation>(to_float(row[column]) + (bias ? bias[column] : 0.F));
    if (gated) y *= to_float(row[inner + column]) + (bias ? bias[inner + column] : 0.F);
    out[i] = from_float<T>(y);
  }
}

}  // namespace

template <class T>
void activate(io::Activation activation, bool gated, const T* in, const float* bias, int64_t rows, int64_t inner,
              T* out, const Stream& stream) {
  const int64_t size = rows * inner;
  const auto start = [&](auto kernel) {
    launch("activate", kernel, shape_for(size), stream, gated, in, bias, size, inner, out);
  };
  switch (activation) {
    case io::Activation::silu:
      return start(activate_kernel<io::Activation::silu, T>);
    case io::Activation::gelu:
      return start(activate_kernel<io::Activation::gelu, T>);
    case io::Activation::gelu_tanh:
      return start(activate_kernel<io::Activation::gelu_tanh, T>);
    case io::Activation::relu:
      return start(activate_kernel<io::Activation::relu, T>);
  }
}
template void activate(io::Activation, bool, const float*, const float*, int64_t, int64_t, float*, const Stream&);
template void activate(io::Activation, bool, const Bf16*, const float*, int64_t, int64_t, Bf16*, const Stream&);

}  // namespace logitfield::kernels::cuda

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
  } else if constexpr (kActivation == io::Activation::relu_squared) {
    return x > 0 || x != x ? x * x : 0.F;
  } else if constexpr (kActivation == io::Activation::gelu_tanh) {
    constexpr float kFactor = 0.7978845608028654F;  // sqrt(2 / pi)
    return 0.5F * x * (1 + tanhf(kFactor * (x + 0.044715F * x * x * x)));
  } else {
    constexpr float kInverseRoot = 0.7071067811865476F;  // 1 / sqrt 2
    return 0.5F * x * (1 + erff(x * kInverseRoot));
  }
}

/// act(gate) * up, or act(gate) alone.
template <io::Activation kActivation>
struct Product {
  bool gated;

  __device__ float operator()(float gate, float up) const {
    const float y = act<kActivation>(gate);
    return gated ? y * up : y;
  }
};

/// See io::ClampedGate. A NaN stays.
struct Clamped {
  static constexpr bool gated = true;
  float alpha, limit;

  __device__ float operator()(float gate, float up) const {
    const float g = gate > limit ? limit : gate, u = up > limit ? limit : up < -limit ? -limit : up;
    return g / (1 + expf(-alpha * g)) * (u + 1);
  }
};

constexpr int kThreads = 256;

/// Row blockIdx.x; kCount columns a thread, which divide `inner`. Rows and columns are known without a division.
template <class Join, class T, int kCount>
__global__ void __launch_bounds__(kThreads)
    activate_kernel(Join join, const T* in, const float* bias, int64_t inner, T* out) {
  using Some = Pack<T, kCount>;
  const int64_t row = blockIdx.x, column = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kCount;
  if (column >= inner) return;
  in += row * (join.gated ? 2 * inner : inner) + column;
  const Some gate = *reinterpret_cast<const Some*>(in),
             up = join.gated ? *reinterpret_cast<const Some*>(in + inner) : gate;
  Some result;
  for (int e = 0; e < kCount; ++e) {
    const float left = to_float(gate.x[e]) + (bias ? bias[column + e] : 0.F);
    const float right = to_float(up.x[e]) + (bias && join.gated ? bias[inner + column + e] : 0.F);
    result.x[e] = from_float<T>(join(left, right));
  }
  *reinterpret_cast<Some*>(out + row * inner + column) = result;
}

template <class Join, class T>
void start(const Join& join, const T* in, const float* bias, int64_t rows, int64_t inner, T* out,
           const Stream& stream) {
  constexpr int kMany = 16 / sizeof(T);
  const auto start_by = [&]<int kCount>() {
    const Shape shape{dim3(static_cast<unsigned>(rows), blocks_for(inner, kThreads * kCount)), dim3(kThreads)};
    launch("activate", activate_kernel<Join, T, kCount>, shape, stream, join, in, bias, inner, out);
  };
  if (inner % kMany == 0) return start_by.template operator()<kMany>();
  start_by.template operator()<1>();
}

}  // namespace

template <class T>
void activate(io::Activation activation, bool gated, const T* in, const float* bias, int64_t rows, int64_t inner,
              T* out, const Stream& stream) {
  switch (activation) {
    case io::Activation::silu:
      return start(Product<io::Activation::silu>{gated}, in, bias, rows, inner, out, stream);
    case io::Activation::gelu:
      return start(Product<io::Activation::gelu>{gated}, in, bias, rows, inner, out, stream);
    case io::Activation::gelu_tanh:
      return start(Product<io::Activation::gelu_tanh>{gated}, in, bias, rows, inner, out, stream);
    case io::Activation::relu:
      return start(Product<io::Activation::relu>{gated}, in, bias, rows, inner, out, stream);
    case io::Activation::relu_squared:
      return start(Product<io::Activation::relu_squared>{gated}, in, bias, rows, inner, out, stream);
  }
}
template <class T>
void activate(const io::ClampedGate& gate, const T* in, const float* bias, int64_t rows, int64_t inner, T* out,
              const Stream& stream) {
  start(Clamped{static_cast<float>(gate.alpha), static_cast<float>(gate.limit)}, in, bias, rows, inner, out, stream);
}

template void activate(io::Activation, bool, const float*, const float*, int64_t, int64_t, float*, const Stream&);
template void activate(io::Activation, bool, const Bf16*, const float*, int64_t, int64_t, Bf16*, const Stream&);
template void activate(const io::ClampedGate&, const float*, const float*, int64_t, int64_t, float*, const Stream&);
template void activate(const io::ClampedGate&, const Bf16*, const float*, int64_t, int64_t, Bf16*, const Stream&);

}  // namespace logitfield::kernels::cuda

// Tests of the emulation itself: it must catch the errors that it exists to catch.
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Whether nothing was written there.
bool is_fresh(float value) {
  float fresh;
  std::memset(&fresh, emulation::fresh_byte(), sizeof fresh);
  return std::memcmp(&value, &fresh, sizeof fresh) == 0;
}

__global__ void reverse(float* values, bool with_barrier) {
  float* shared = reinterpret_cast<float*>(shared_memory());
  shared[threadIdx.x] = values[threadIdx.x];
  if (with_barrier) __syncthreads();
  values[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

std::vector<float> reversed(bool with_barrier, unsigned seed) {
  const Stream stream;
  std::vector<float> values(96);
  for (std::size_t i = 0; i < 96; ++i) values[i] = static_cast<float>(i);
  const Buffer<float> device{std::span<const float>(values), stream};
  emulation::set_seed(seed);
  launch("reverse", reverse, Shape{dim3(1), dim3(96), 96 * sizeof(float)}, stream, device.data(), with_barrier);
  emulation::set_seed(0);
  return device.read();
}

TEST(Emulation, AMissingBarrierShows) {
  for (const unsigned seed : {0U, 1U}) {
    const std::vector<float> right = reversed(true, seed), wrong = reversed(false, seed);
    int fresh = 0;
    for (std::size_t i = 0; i < 96; ++i) {
      EXPECT_EQ(right[i], static_cast<float>(95 - i));
      fresh += is_fresh(wrong[i]);
    }
    EXPECT_GT(fresh, 20);
  }
}

__global__ void diverge() {
  if (threadIdx.x % 2 == 0) __syncwarp();
  if (threadIdx.x % 2 == 1) __syncthreads();
}

TEST(Emulation, ThreadsThatWaitForEverAreReported) {
  const Stream stream;
  EXPECT_THROW(launch("diverge", diverge, Shape{dim3(1), dim3(32), 0}, stream), std::logic_error);
}

__global__ void read_behind(const float* values, float* out) { *out = values[4]; }

TEST(EmulationDeathTest, AccessBehindABufferEndsTheProgram) {
  const Stream stream;
  const Buffer<float> four(4, stream), out(1, stream);
  const auto touch = [&] {
    launch("read_behind", read_behind, Shape{dim3(1), dim3(1), 0}, stream, static_cast<const float*>(four.data()),
           out.data());
  };
  EXPECT_DEATH(touch(), "");
}

__global__ void copy_rows(const float* values, float* out, bool waits) {
  float* shared = reinterpret_cast<float*>(shared_memory());
  start_copy(shared + 4 * threadIdx.x, values + 4 * threadIdx.x, threadIdx.x != 1);
  end_copies();
  if (waits) wait_for_copies<0>();
  __syncthreads();
  for (unsigned i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = shared[4 * threadIdx.x + i];
}

TEST(Emulation, CopiesAreThereOnlyAfterTheWait) {
  const Stream stream;
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const Buffer<float> in{std::span<const float>(values), stream};
  Buffer<float> out(12, stream);
  const auto run = [&](bool waits) {
    launch("copy_rows", copy_rows, Shape{dim3(1), dim3(3), 12 * sizeof(float)}, stream,
           static_cast<const float*>(in.data()), out.data(), waits);
    return out.read();
  };
  const std::vector<float> copied = run(true);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(copied[i], i / 4 == 1 ? 0 : values[i]);
  EXPECT_TRUE(is_fresh(run(false)[0]));
}

/// One 16 x 16 by 16 x 8 product in the layout of the PTX manual, with b transposed in memory or not.
template <bool kTransposed>
__global__ void product(const Bf16* a, const Bf16* b, float* c) {
  Bf16* shared = reinterpret_cast<Bf16*>(shared_memory());
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += kWarp) {
    shared[i] = a[i];
    shared[256 + i] = b[i];
  }
  __syncwarp();
  PackedA left;
  std::uint32_t right[4];
  load_matrices<false>(left.a, shared + lane % 16 * 16 + lane / 16 * 8);
  if (kTransposed) {  // b as [k, n]
    load_matrices<true>(right, shared + 256 + lane % 16 * 16 + lane / 16 * 8);
  } else {  // b as [n, k]
    load_matrices<false>(right, shared + 256 + (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
  }
  for (int half = 0; half < 2; ++half) {
    float sums[4] = {};
    multiply_add(sums, left, {right[2 * half], right[2 * half + 1]});
    for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 16 + 8 * half + lane % 4 * 2 + i % 2] = sums[i];
  }
}

TEST(Emulation, TensorCoreProductsFollowTheirLayout) {
  const Stream stream;
  const MatrixF a = testing::random_matrix<float>(16, 16, 1), b = testing::random_matrix<float>(16, 16, 2);
  const auto narrow = [&](const MatrixF& m) {
    std::vector<Bf16> out;
    for (Index i = 0; i < m.size(); ++i) out.push_back(from_float<Bf16>(m.data()[i]));
    return out;
  };
  const std::vector<Bf16> host_a = narrow(a), host_b = narrow(b);
  const auto wide = [](const std::vector<Bf16>& values) {
    MatrixF out(16, 16);
    for (Index i = 0; i < 256; ++i) out.data()[i] = to_float(values[static_cast<std::size_t>(i)]);
    return out;
  };
  const Buffer<Bf16> device_a{std::span<const Bf16>(host_a), stream}, device_b{std::span<const Bf16>(host_b), stream};
  Buffer<float> c(256, stream);
  const auto run = [&](auto kernel) {
    launch("product", kernel, Shape{dim3(1), dim3(32), 512 * sizeof(Bf16)}, stream,
           static_cast<const Bf16*>(device_a.data()), static_cast<const Bf16*>(device_b.data()), c.data());
    MatrixF out(16, 16);
    c.read({out.data(), 256});
    return out;
  };
  EXPECT_LE((run(product<true>) - wide(host_a) * wide(host_b)).cwiseAbs().maxCoeff(), 1e-5F);
  EXPECT_LE((run(product<false>) - wide(host_a) * wide(host_b).transpose()).cwiseAbs().maxCoeff(), 1e-5F);
}

}  // namespace
}  // namespace logitfield::kernels::cuda

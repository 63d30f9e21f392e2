#include <bit>
#include <cmath>

#include "cuda_device.hpp"
#include "kernels/cuda/number.hpp"
#include "kernels/cuda/weights.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cuda {
namespace {

using testing::random_matrix;

// Every upper half, with lower halves below, at and above the middle between two bfloat16 numbers.
TEST(CudaUpload, Bf16IsNearestWithTiesToEven) {
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (const std::uint32_t lower : {0U, 1U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const auto x = std::bit_cast<float>(upper << 16 | lower);
      const Bf16 found = from_float<Bf16>(x);
      if (std::isnan(x)) {
        ASSERT_TRUE(std::isnan(to_float(found))) << upper << " " << lower;
        ASSERT_EQ(std::signbit(to_float(found)), std::signbit(x)) << upper << " " << lower;
      } else {
        ASSERT_EQ(found.bits, std::bit_cast<std::uint16_t>(Eigen::bfloat16(x))) << upper << " " << lower;
      }
    }
  }
}

/// A weight that has been to the device and back, as float32.
template <class T>
MatrixF uploaded(Uploader& uploader, const WeightMatrix& weight) {
  const auto map = upload_map<T>(uploader, {weight, {}});
  map->ready->wait();
  MatrixF out(weight.rows(), weight.cols());
  const std::vector<T> values = map->map.weight.read();
  for (Index i = 0; i < out.size(); ++i) out.data()[i] = to_float(values[static_cast<std::size_t>(i)]);
  return out;
}

// Less than a piece; and several pieces, the last of which is not whole.
TEST(CudaUpload, EveryWeightArrivesOnce) {
  REQUIRE_DEVICE();
  const Stream computing;
  Uploader uploader(computing);
  for (const Index rows : {1, 4099}) {
    const WeightMatrix exact(random_matrix<float>(rows, 1031, 5));
    const WeightMatrix rounded(exact.floats(0, rows), Precision::bf16);
    const MatrixF expected = rounded.floats(0, rows);
    EXPECT_EQ(uploaded<float>(uploader, exact), exact.floats(0, rows)) << rows;
    EXPECT_EQ(uploaded<Bf16>(uploader, exact), expected) << rows;
    EXPECT_EQ(uploaded<Bf16>(uploader, rounded), expected) << rows;
    EXPECT_EQ(uploaded<float>(uploader, rounded), expected) << rows;
  }
}

}  // namespace
}  // namespace logitfield::kernels::cuda

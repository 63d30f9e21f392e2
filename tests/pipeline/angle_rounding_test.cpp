#include "pipeline/forward/angle_rounding.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace logitfield {
namespace {

/// Largest error of angles computed in float32 step by step, divided by the bound; `stretch` divides frequencies.
double worst_share(double theta, int columns, double stretch) {
  std::vector<double> exact;
  for (int k = 0; k < columns; k += 2) {
    exact.push_back(std::pow(theta, -static_cast<double>(k) / columns) / stretch);
  }
  const std::vector<double> allowed = float32_angle_errors(exact);
  double worst = 0;
  for (std::size_t k = 0; k < exact.size(); ++k) {
    const float x = static_cast<float>(2 * k) / static_cast<float>(columns);
    const float frequency = 1.0F / std::pow(static_cast<float>(theta), x) / static_cast<float>(stretch);
    for (const int position : {1, 3, 100, 4095, 131071}) {
      const float angle = static_cast<float>(position) * frequency;
      const double off = std::abs(static_cast<double>(angle) - position * exact[k]);
      if (off == 0) continue;
      const double share = off / (position * allowed[k]);
      worst = share <= worst ? worst : share;  // a NaN stays
    }
  }
  return worst;
}

TEST(AngleRounding, BoundsAnglesInFloat32AndNotByFar) {
  for (const double theta : {1e4, 1e5, 5e5, 1e6, 1e7}) {
    for (const int columns : {8, 64, 80, 96, 128, 256}) {
      SCOPED_TRACE(::testing::Message() << "theta " << theta << ", columns " << columns);
      const double plain = worst_share(theta, columns, 1), scaled = worst_share(theta, columns, 7);
      EXPECT_TRUE(plain <= 1) << plain;
      EXPECT_TRUE(scaled <= 1) << scaled;
      EXPECT_GT(plain, 0.05);
      EXPECT_GT(scaled, 0.02);
    }
  }
}

TEST(AngleRounding, WholeAnglesAreExact) {
  EXPECT_EQ(float32_angle_errors({1}), std::vector<double>{0});
  EXPECT_GT(float32_angle_errors({0.5}).at(0), 0);
  EXPECT_TRUE(float32_angle_errors({}).empty());
}

}  // namespace
}  // namespace logitfield

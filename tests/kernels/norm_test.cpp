#include "kernels/cpu/norm.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

Norm norm_of(bool centred, const VectorF& gain, const VectorF& bias = {}) {
  return {.present = true, .centred = centred, .epsilon = 1e-6, .gain = gain, .bias = bias};
}

TEST(Norm, UnitMeanSquareTimesGain) {
  const MatrixF x = 50 * random_matrix<float>(5, 64, 9);
  const VectorF gain = VectorF::LinSpaced(64, 0.5F, 2);
  const MatrixF y = normalised(x, norm_of(false, gain));
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR((y.row(i).transpose().cwiseQuotient(gain)).squaredNorm() / 64, 1, 1e-5);
  }
  EXPECT_EQ(normalised(x, {}), x);
}

TEST(Norm, LayerNormCentresAndAddsItsBias) {
  const MatrixF x = (50 * random_matrix<float>(5, 64, 9)).array() + 200;
  const VectorF bias = VectorF::LinSpaced(64, -1, 3);
  const MatrixF y = normalised(x, norm_of(true, {}, bias)).rowwise() - bias.transpose();
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR(y.row(i).sum() / 64, 0, 1e-5);
    EXPECT_NEAR(y.row(i).squaredNorm() / 64, 1, 1e-5);
  }
}

TEST(Norm, OfHeadsByThemselvesOrOverAll) {
  const Index length = 7, heads = 3, d = 4;
  const MatrixF before = random_matrix<float>(heads * length, d, 31);
  const VectorF gain = VectorF::LinSpaced(heads * d, 0.5F, 2);
  MatrixF shared = before, own = before, over_all = before;
  normalise_heads(norm_of(false, gain.head(d)), length, 0, alone(), shared);
  normalise_heads(norm_of(false, gain), length, 0, alone(), own);
  normalise_heads(norm_of(false, gain), length, heads * d, alone(), over_all);
  for (Index i = 0; i < length; ++i) {
    double total = 0;
    for (Index h = 0; h < heads; ++h) total += before.row(h * length + i).squaredNorm();
    for (Index h = 0; h < heads; ++h) {
      const Index row = h * length + i;
      const Eigen::RowVectorXf x = before.row(row), mine = gain.segment(h * d, d).transpose();
      const float alone_factor = std::sqrt(static_cast<float>(d)) / x.norm();
      const float joint_factor = std::sqrt(static_cast<float>(heads * d / total));
      EXPECT_LE((shared.row(row) - alone_factor * x.cwiseProduct(gain.head(d).transpose())).norm(), 1e-4F);
      EXPECT_LE((own.row(row) - alone_factor * x.cwiseProduct(mine)).norm(), 1e-4F);
      EXPECT_LE((over_all.row(row) - joint_factor * x.cwiseProduct(mine)).norm(), 1e-4F);
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu

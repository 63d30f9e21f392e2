#include "pipeline/scalapack/distributed_field.hpp"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <cmath>
#include <limits>

#include "tests/kernels/random_matrix.hpp"
#include "tests/pipeline/distributed.hpp"

namespace logitfield {
namespace {

using kernels::Index;
using kernels::LogitForm;
using kernels::Matrix;
using kernels::Scope;
using kernels::Vector;

constexpr Scope kScopes[] = {Scope::full, Scope::causal, Scope::causal_mean, Scope::causal_unwindowed};

/// Whether query i sees key j.
bool sees(const kernels::Visible& v, Index i, Index j) {
  return j <= i && (v.window == 0 || j > i - v.window) && (v.chunk == 0 || j / v.chunk == i / v.chunk);
}

/// E by its definition, one entry at a time, with means in long double.
Matrix defined_field(const Matrix& q, const Matrix& k, const LogitForm& form, Scope scope) {
  const Index length = q.rows();
  Matrix e(length, length);
  for (Index i = 0; i < length; ++i) {
    long double sum = 0;
    Index count = 0;
    for (Index j = 0; j < length; ++j) {
      double x = form.alibi_slope * static_cast<double>(j - i);
      for (Index c = 0; c < q.cols(); ++c) x += form.scale * q(i, c) * k(j, c);
      e(i, j) = form.softcap ? *form.softcap * std::tanh(x / *form.softcap) : x;
      if (scope == Scope::causal ? !sees(form.visible, i, j) : scope != Scope::full && j > i) continue;
      sum += e(i, j);
      ++count;
    }
    for (Index j = 0; j < length; ++j) {
      const bool masked = scope == Scope::causal ? !sees(form.visible, i, j) : is_masked(scope) && j > i;
      e(i, j) = masked ? 0 : e(i, j) - static_cast<double>(sum / count);
    }
  }
  return e;
}

/// Sum of each row over the keys that enter its mean.
Vector row_sums(const Matrix& e, Scope scope) {
  if (scope == Scope::full) return e.rowwise().sum();
  return e.triangularView<Eigen::Lower>().toDenseMatrix().rowwise().sum();
}

Vector spectrum(const Matrix& e) { return Eigen::BDCSVD<Eigen::MatrixXd>(e).singularValues(); }

void expect_field(const scalapack::ProcessGrid& grid, const Matrix& q, const Matrix& k, const LogitForm& form,
                  Scope scope) {
  SCOPED_TRACE(::testing::Message() << "L " << q.rows() << ", d " << q.cols() << ", scope " << scope_name(scope)
                                    << ", slope " << form.alibi_slope << (form.softcap ? ", capped" : "") << ", window "
                                    << form.visible.window << ", chunk " << form.visible.chunk);
  const Matrix expected = defined_field(q, k, form, scope);
  const double size = expected.norm();
  DenseField field(grid, q, k, form, scope);
  const Matrix e = field.times(Matrix::Identity(q.rows(), q.rows()));
  EXPECT_LE((e - expected).norm(), 1e-12 * size);
  EXPECT_LE(row_sums(e, scope).norm(), 1e-12 * size);
  const Vector sums = field.row_sums(scope);
  EXPECT_LE((sums - row_sums(e, scope)).norm(), 1e-12 * size);
  EXPECT_TRUE(testing::same_everywhere(grid.team(), sums.data(), sizeof(double) * sums.size()));
  EXPECT_LE(std::abs(field.energy() - expected.squaredNorm()), 1e-12 * size * size);
  const Vector keys = field.key_energies(), queries = field.query_energies();
  EXPECT_LE((keys - expected.colwise().squaredNorm().transpose()).norm(), 1e-12 * size * size);
  EXPECT_LE((queries - expected.rowwise().squaredNorm()).norm(), 1e-12 * size * size);
  EXPECT_TRUE(testing::same_everywhere(grid.team(), keys.data(), sizeof(double) * keys.size()));
  EXPECT_TRUE(testing::same_everywhere(grid.team(), queries.data(), sizeof(double) * queries.size()));
  const Matrix x = testing::random_matrix(q.rows(), 3, 9), ex = field.times(x);
  EXPECT_LE((ex - expected * x).norm(), 1e-12 * size * x.norm());
  EXPECT_TRUE(testing::same_everywhere(grid.team(), ex.data(), sizeof(double) * ex.size()));
  const std::vector<double> sigma = std::move(field).singular_values();
  ASSERT_EQ(std::ssize(sigma), q.rows());
  EXPECT_LE((Eigen::Map<const Vector>(sigma.data(), std::ssize(sigma)) - spectrum(expected)).norm(), 1e-12 * size);
}

/// Tests every scope and form, on every grid.
void expect_all_fields(const Matrix& q, const Matrix& k) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.cols()));
  const mpi::Communicator world = mpi::Communicator::world();
  for (const auto shape : testing::all_shapes(world.size())) {
    const scalapack::ProcessGrid grid(world, shape);
    for (const Scope scope : kScopes) {
      expect_field(grid, q, k, {scale, 0, {}}, scope);
      expect_field(grid, q, k, {scale, 0.25, {}}, scope);
      expect_field(grid, q, k, {scale, 0.25, 2.0}, scope);
      if (scope == Scope::full || scope == Scope::causal_mean) continue;
      for (const Index keys : {2, 31, 64}) {
        if (keys > q.rows() - 1) continue;
        expect_field(grid, q, k, {.scale = scale, .alibi_slope = 0.25, .visible = {.window = keys}}, scope);
        expect_field(grid, q, k, {.scale = scale, .softcap = 2.0, .visible = {.chunk = keys}}, scope);
      }
    }
  }
}

TEST(DenseField, IsWhatItsDefinitionSays) {
  expect_all_fields(testing::random_matrix(150, 8, 1), testing::random_matrix(150, 8, 2));
}

TEST(DenseField, ShorterThanAHeadIsWide) {
  expect_all_fields(testing::random_matrix(5, 16, 1), testing::random_matrix(5, 16, 2));
}

TEST(DenseField, OneDimensionAndTheShortestTexts) {
  for (const Index length : {1, 2, 70}) {
    expect_all_fields(testing::random_matrix(length, 1, 1), testing::random_matrix(length, 1, 2));
  }
}

TEST(DenseField, KeysFarFromZeroLoseNoDigits) {
  const mpi::Communicator world = mpi::Communicator::world();
  const scalapack::ProcessGrid grid(world, scalapack::near_square(world.size()));
  // Whole numbers, so that the shift is exact; the field must equal that of the unshifted keys.
  const Matrix q = testing::random_matrix(90, 4, 1), k = (100 * testing::random_matrix(90, 4, 2)).array().round();
  const Matrix far = k.array() + 1e10;
  for (const Scope scope : kScopes) {
    const Matrix expected = defined_field(q, k, {0.5, 0, {}}, scope);
    const DenseField field(grid, q, far, {0.5, 0, {}}, scope);
    EXPECT_LE((field.times(Matrix::Identity(90, 90)) - expected).norm(), 1e-7 * expected.norm());
  }
}

TEST(DenseField, ConstantKeysGiveNoField) {
  const mpi::Communicator world = mpi::Communicator::world();
  const scalapack::ProcessGrid grid(world, scalapack::near_square(world.size()));
  const Matrix q = testing::random_matrix(65, 4, 1), k = Matrix::Constant(65, 4, 0.3);
  for (const Scope scope : kScopes) {
    const DenseField field(grid, q, k, {0.5, 0, {}}, scope);
    EXPECT_LE(std::sqrt(field.energy()), 1e-14 * q.norm() * k.norm());
  }
}

TEST(DenseField, NonFiniteKeysAreAnErrorOnAllRanks) {
  const mpi::Communicator world = mpi::Communicator::world();
  const scalapack::ProcessGrid grid(world, scalapack::near_square(world.size()));
  const Matrix q = testing::random_matrix(30, 4, 1);
  Matrix k = q;
  k(29, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(DenseField(grid, q, k, {0.5, 0, 10.0}, Scope::causal).singular_values(), std::runtime_error);
  EXPECT_THROW(DenseField(grid, q, k.topRows(29), {0.5, 0, {}}, Scope::causal), std::invalid_argument);
  EXPECT_THROW(DenseField(grid, Matrix(), Matrix(), {0.5, 0, {}}, Scope::causal), std::invalid_argument);
}

TEST(DenseField, BytesOfAMillionTokens) {
  const double bytes = static_cast<double>(dense_field_bytes(1000000, 64));
  EXPECT_LE(std::abs(bytes / (8e12 / 64) - 1), 3e-3);  // the workspace
  EXPECT_LE(std::abs(static_cast<double>(dense_field_bytes(1000000, 1)) / 8e12 - 1), 2e-4);
  EXPECT_THROW(dense_field_bytes(0, 1), std::invalid_argument);
  EXPECT_THROW(dense_field_bytes(std::int64_t{1} << 31, 4), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield

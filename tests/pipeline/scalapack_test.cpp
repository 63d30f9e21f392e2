#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <algorithm>
#include <limits>
#include <string>

#include "pipeline/scalapack/svd.hpp"
#include "tests/kernels/random_matrix.hpp"
#include "tests/pipeline/distributed.hpp"

namespace logitfield::scalapack {
namespace {

using kernels::Index;
using kernels::kEpsilon;
using kernels::Matrix;
using kernels::Vector;

/// Calls f(grid) for every grid of all ranks.
template <class F>
void on_every_grid(F f) {
  const mpi::Communicator world = mpi::Communicator::world();
  for (const ProcessGridShape shape : testing::all_shapes(world.size())) {
    SCOPED_TRACE(::testing::Message() << "grid " << shape.rows << " x " << shape.columns);
    f(ProcessGrid(world, shape));
  }
}

Vector reference_values(const Matrix& a) { return Eigen::BDCSVD<Eigen::MatrixXd>(a).singularValues(); }

Vector as_vector(const std::vector<double>& v) { return Eigen::Map<const Vector>(v.data(), std::ssize(v)); }

void expect_values(const ProcessGrid& grid, const std::vector<double>& sigma, const Vector& reference) {
  ASSERT_EQ(std::ssize(sigma), reference.size());
  EXPECT_LE((as_vector(sigma) - reference).cwiseAbs().maxCoeff(), 1e-13 * reference[0]);
  EXPECT_TRUE(std::is_sorted(sigma.rbegin(), sigma.rend()));
  EXPECT_TRUE(testing::same_everywhere(grid.team(), sigma.data(), sigma.size() * sizeof(double)));
}

void expect_values(const Matrix& a, int block) {
  SCOPED_TRACE(::testing::Message() << a.rows() << " x " << a.cols() << ", block " << block);
  on_every_grid([&](const ProcessGrid& grid) {
    DistributedMatrix part = testing::distribute(grid, a, block);
    expect_values(grid, singular_values(part), reference_values(a));
  });
}

TEST(ProcessGrid, NearSquareShapes) {
  const auto expect = [](int ranks, int rows, int columns) {
    const ProcessGridShape shape = near_square(ranks);
    EXPECT_EQ(shape.rows, rows);
    EXPECT_EQ(shape.columns, columns);
  };
  expect(1, 1, 1);
  expect(2, 1, 2);
  expect(3, 1, 3);
  expect(4, 2, 2);
  expect(6, 2, 3);
  expect(7, 1, 7);
  expect(36, 6, 6);
  expect(2147483647, 1, 2147483647);
  EXPECT_THROW(near_square(0), std::invalid_argument);
}

TEST(ProcessGrid, RefusesShapesThatDoNotFit) {
  const mpi::Communicator world = mpi::Communicator::world();
  const int n = world.size();
  for (const ProcessGridShape shape : {ProcessGridShape{n + 1, 1}, {1, n + 1}, {0, n}, {n, 0}, {-1, -n}, {n, 2}}) {
    EXPECT_THROW(ProcessGrid(world, shape), std::invalid_argument) << shape.rows << " x " << shape.columns;
  }
}

TEST(ProcessGrid, MovesAndCountsRowByRow) {
  on_every_grid([](const ProcessGrid& grid) {
    EXPECT_EQ(grid.position().row * grid.shape().columns + grid.position().column, grid.team().rank());
  });
  const mpi::Communicator world = mpi::Communicator::world();
  ProcessGrid first(world, {1, world.size()});
  ProcessGrid second(std::move(first));
  first = ProcessGrid(world, {world.size(), 1});
  EXPECT_EQ(first.position().row, world.rank());
  EXPECT_EQ(second.position().column, world.rank());
}

TEST(ProcessGrid, HalvesOfTheRanksWorkApart) {
  const mpi::Communicator world = mpi::Communicator::world();
  const mpi::Communicator half = world.split(world.rank() % 2);
  const ProcessGrid grid(half, near_square(half.size()));
  const Matrix a = testing::random_matrix(20 + world.rank() % 2, 17, 5);
  DistributedMatrix part = testing::distribute(grid, a, 4);
  expect_values(grid, singular_values(part), reference_values(a));
}

TEST(DistributedMatrix, HoldsEveryEntryOnce) {
  const Matrix a = testing::random_matrix(23, 9, 1);
  on_every_grid([&](const ProcessGrid& grid) {
    const DistributedMatrix part = testing::distribute(grid, a, 4);
    EXPECT_EQ(testing::collect(part), a);
    EXPECT_EQ(std::ssize(part.layout().global_rows()), part.layout().local_rows());
    EXPECT_THROW(DistributedMatrix(grid, 0, 1), std::invalid_argument);
    EXPECT_THROW(DistributedMatrix(grid, 1, 1, 0), std::invalid_argument);
    EXPECT_THROW(DistributedMatrix(grid, 200000, 200000), std::runtime_error);  // indices, not memory
  });
}

TEST(Svd, SquareAndOblongAndTiny) {
  expect_values(testing::random_matrix(37, 37, 1), 8);
  expect_values(testing::random_matrix(70, 45, 2), 16);
  expect_values(testing::random_matrix(45, 70, 3), 16);
  expect_values(testing::random_matrix(3, 3, 4), kBlock);
  expect_values(testing::random_matrix(1, 1, 5), kBlock);
  expect_values(testing::random_matrix(2, 1, 6), 1);
  expect_values(testing::random_matrix(2, 3, 9), 1);
  expect_values(testing::random_matrix(130, 130, 7), kBlock);
  expect_values(testing::random_matrix(128, 128, 8), 32);
}

TEST(Svd, PowersOfTwoAndOblongOfLowRank) {
  expect_values(testing::random_matrix(256, 256, 1), kBlock);
  expect_values(testing::random_matrix(256, 20, 2) * testing::random_matrix(20, 270, 3), kBlock);
  expect_values(testing::random_matrix(270, 20, 4) * testing::random_matrix(20, 256, 5), kBlock);
  expect_values(Matrix::Zero(256, 256), kBlock);
}

TEST(Svd, RankDeficientAndZeroAndGraded) {
  expect_values(testing::random_matrix(60, 5, 1) * testing::random_matrix(5, 50, 2), 16);
  expect_values(Matrix::Zero(33, 33), 8);
  expect_values(testing::graded_matrix(50, 50, 12, 3), 8);
  expect_values(1e-200 * testing::random_matrix(20, 20, 4), 8);
}

TEST(Svd, RefusesWhatIsNotFiniteOnAllRanks) {
  on_every_grid([](const ProcessGrid& grid) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      Matrix a = testing::random_matrix(20, 20, 1);
      a(19, 3) = bad;  // on one rank only
      std::string message;
      try {
        DistributedMatrix part = testing::distribute(grid, a, 8);
        singular_values(part);
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      EXPECT_NE(message.find("20 x 20 matrix"), std::string::npos) << message;
      EXPECT_NE(message.find("not finite"), std::string::npos) << message;
    }
  });
}

TEST(SvdWorkspace, IsCountedIn64BitsAndRefusedAboveWhatFortranCanSay) {
  const auto layout = [](int n, ProcessGridShape grid) { return BlockCyclic{n, n, kBlock, grid, {0, 0}}; };
  EXPECT_NO_THROW(checked_svd_workspace(layout(1000000, {8, 8})));
  // A block of columns and one of rows of a square matrix: more than 2 n kBlock elements.
  const int too_large = std::numeric_limits<int>::max() / (2 * kBlock) + 1;
  EXPECT_GT(svd_workspace(layout(too_large, {1, 1})), 2 * std::uint64_t{kBlock} * too_large);
  try {
    checked_svd_workspace(layout(too_large, {1, 1}));
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(std::to_string(too_large)), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("more ranks"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(checked_svd_workspace(layout(too_large, {2, 2})));
}

}  // namespace
}  // namespace logitfield::scalapack

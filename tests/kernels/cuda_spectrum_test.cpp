#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cuda_device.hpp"
#include "kernels/cuda/spectra/singular_values.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/spectra/lapack.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cuda {
namespace {

using testing::for_thread_orders;
using testing::graded_matrix;
using testing::random_matrix;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
/// Sizes of one shared-memory kernel: below, at and above a warp and a panel. The last one is the largest.
constexpr Index kSmall[] = {1, 2, 3, 15, 16, 17, 31, 33, 64, 127, 129, 130, 160};
/// Sizes of two stages: with last panels of 1, 10, 8 and 16 columns.
constexpr Index kLarge[] = {161, 170, 200, 256};

/// Values of square matrices of one size, one matrix a row.
Matrix on_device(const std::vector<Matrix>& matrices) {
  const Worker worker;
  const Index n = matrices[0].rows(), count = std::ssize(matrices);
  Matrix all(count * n, n);
  for (Index m = 0; m < count; ++m) all.middleRows(m * n, n) = matrices[static_cast<std::size_t>(m)];
  const Buffer<double> device = upload(all, worker);
  return download(singular_values(worker, device.data(), n, count), count, n);
}

/// Expects descending values that differ from LAPACK's by no more than orthogonal transformations of an n x n matrix
/// change them; NaN fails.
void expect_spectrum(const Vector& found, const Matrix& matrix) {
  const std::vector<double> expected = kernels::singular_values(matrix);
  const double allowed = 4 * static_cast<double>(matrix.rows() + 2) * kEpsilon * expected[0];
  EXPECT_TRUE(std::ranges::is_sorted(found, std::greater{}));
  for (Index i = 0; i < found.size(); ++i) {
    const double other = expected[static_cast<std::size_t>(i)];
    EXPECT_TRUE(std::abs(found[i] - other) <= allowed)
        << i << " of " << found.size() << ": " << found[i] << ", expected " << other << ", allowed " << allowed;
  }
}

void expect_as_lapack(const std::vector<Matrix>& matrices) {
  SCOPED_TRACE(fmt::format("{} of {}", matrices.size(), matrices[0].rows()));
  const Matrix found = on_device(matrices);
  for (Index m = 0; m < found.rows(); ++m) expect_spectrum(found.row(m), matrices[static_cast<std::size_t>(m)]);
}

TEST(CudaSpectrum, RandomMatrices) {
  REQUIRE_DEVICE();
  for (const Index n : kSmall) expect_as_lapack({random_matrix(n, n, 1)});
  for (const Index n : kLarge) expect_as_lapack({random_matrix(n, n, 1)});
}

TEST(CudaSpectrum, Batches) {
  REQUIRE_DEVICE();
  for (const Index n : {2, 33, 64, 170}) {
    std::vector<Matrix> matrices;
    for (unsigned m = 0; m < 5; ++m) matrices.push_back(random_matrix(n, n, m) * std::pow(10.0, m));
    expect_as_lapack(matrices);
  }
}

/// Larger than what a block's shared memory holds: then panels, and the first rows of a band, are in device memory.
TEST(CudaSpectrum, MatricesLargerThanSharedMemory) {
  REQUIRE_DEVICE();
  expect_as_lapack({random_matrix(920, 920, 12)});
  testing::with_shared_memory(20 * 1024, [] {
    for (const Index n : {60, 150, 210}) expect_as_lapack({random_matrix(n, n, 13), graded_matrix(n, n, 12, 14)});
  });
}

TEST(CudaSpectrum, GradedSpectra) {
  REQUIRE_DEVICE();
  for (const Index n : {17, 64, 170}) {
    expect_as_lapack({graded_matrix(n, n, 6, 2), graded_matrix(n, n, 14, 3), graded_matrix(n, n, 200, 4)});
  }
}

TEST(CudaSpectrum, CausalFieldsAndDependentColumns) {
  REQUIRE_DEVICE();
  for (const Index n : {65, 170}) {
    const MatrixF q = random_matrix<float>(n, 16, 3), k = random_matrix<float>(n, 16, 4);
    expect_as_lapack({kernels::dense_field(q, k, {.scale = 0.25}, Scope::causal),
                      random_matrix(n, 5, 5) * random_matrix(5, n, 6), Matrix::Ones(n, n), Matrix::Identity(n, n)});
  }
}

TEST(CudaSpectrum, MissingRowsAndColumns) {
  REQUIRE_DEVICE();
  for (const Index n : {33, 170}) {
    Matrix rows = random_matrix(n, n, 7), columns = random_matrix(n, n, 8), corner = Matrix::Zero(n, n);
    rows.middleRows(3, 20).setZero();
    columns.leftCols(18).setZero();
    corner(n - 1, 0) = 3;
    expect_as_lapack({rows, columns, corner, Matrix(Vector::LinSpaced(n, -3, 5).asDiagonal())});
  }
}

TEST(CudaSpectrum, ZeroMatricesHaveZeros) {
  REQUIRE_DEVICE();
  for (const Index n : {1, 20, 170}) EXPECT_TRUE((on_device({Matrix::Zero(n, n)}).array() == 0).all());
}

TEST(CudaSpectrum, HugeAndTinyMatrices) {
  REQUIRE_DEVICE();
  for (const Index n : {3, 40, 170}) {
    const Matrix usual = random_matrix(n, n, 9);
    expect_as_lapack({usual * 1e200, usual, usual * 1e-200, usual * 0x1p-700, usual * 0x1p1000});
  }
}

TEST(CudaSpectrum, WhatIsNotFiniteSpoilsItsOwnMatrixOnly) {
  REQUIRE_DEVICE();
  for (const Index n : {1, 20, 170}) {
    const Matrix usual = random_matrix(n, n, 10);
    Matrix nan = usual, infinite = usual;
    nan(n / 2, n / 3) = kNaN;
    infinite(n - 1, 0) = std::numeric_limits<double>::infinity();
    const Matrix found = on_device({usual, nan, infinite, usual});
    expect_spectrum(found.row(0), usual);
    EXPECT_TRUE(found.middleRows(1, 2).array().isNaN().all());
    EXPECT_TRUE(found.row(3) == found.row(0));
  }
}

TEST(CudaSpectrum, ValuesDoNotDependOnTheOrderOfThreads) {
  REQUIRE_DEVICE();
  for (const Index n : {47, 170}) {
    const Matrix matrix = random_matrix(n, n, 11), first = on_device({matrix});
    for_thread_orders([&] { EXPECT_TRUE(on_device({matrix}) == first); });
  }
}

TEST(CudaSpectrum, NothingOfNothing) {
  REQUIRE_DEVICE();
  const Worker worker;
  EXPECT_EQ(singular_values(worker, nullptr, 0, 3).size(), 0);
  EXPECT_EQ(singular_values(worker, nullptr, 170, 0).size(), 0);
}

}  // namespace
}  // namespace logitfield::kernels::cuda

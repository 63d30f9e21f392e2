#include "kernels/spectra/block_basis.hpp"

#include <Eigen/Cholesky>
#include <cmath>

#include "kernels/spectra/blas.hpp"
#include "kernels/spectra/lapack.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// A tile of a block of 32 (64 KiB) is packed while it is in cache. Measured: with 1,024 rows a third slower.
constexpr Index kBasisTile = 256;

Matrix gram_of_block(const Team& team, const Matrix& w) {
  Matrix out = Matrix::Zero(w.cols(), w.cols());
  for_tiles(w.rows(), kBasisTile, [&](Index begin, Index count) {
    const auto tile = w.middleRows(begin, count);
    out.noalias() += tile.transpose() * tile;
  });
  sum_over(team, out);
  return out;
}

/// w <- w * turn.
void turn_columns(const Matrix& turn, Matrix& w) {
  Matrix out(w.rows(), turn.cols());
  for_tiles(w.rows(), kBasisTile, [&](Index begin, Index count) {
    out.middleRows(begin, count).noalias() = w.middleRows(begin, count) * turn;
  });
  w = std::move(out);
}

/// w = (new w) * r with orthonormal columns. Drops columns shorter than `shortest`, and directions that are dependent
/// to rounding.
Matrix orthonormalise_columns(const Team& team, double shortest, Matrix& w) {
  if (w.cols() == 0) return Matrix(0, 0);
  const Matrix gram = gram_of_block(team, w);
  const Vector lengths = gram.diagonal().cwiseSqrt();
  // First scales columns to length one: the eigenvalues then show dependence, not scale.
  const Vector inverse = (lengths.array() > shortest).select(lengths.array().inverse(), 0.0);
  const SymmetricEigen eigen = symmetric_eigen(inverse.asDiagonal() * gram * inverse.asDiagonal());
  const double threshold = 16 * static_cast<double>(w.cols()) * kEpsilon * std::max(eigen.values.maxCoeff(), 0.0);
  const Index kept = (eigen.values.array() > threshold).count();
  const Matrix vectors = eigen.vectors.rightCols(kept);
  const Vector roots = eigen.values.tail(kept).cwiseSqrt();
  turn_columns(inverse.asDiagonal() * vectors * roots.cwiseInverse().asDiagonal(), w);
  return roots.asDiagonal() * vectors.transpose() * lengths.asDiagonal();
}

/// For columns that are orthonormal except for rounding: uses a triangular r near one, which changes them as little.
Matrix correct_columns(const Team& team, Matrix& w) {
  if (w.cols() == 0) return Matrix(0, 0);
  Matrix r = Eigen::LLT<Matrix>(gram_of_block(team, w)).matrixU();
  divide_by(r, w);
  return r;
}

/// Whether one pass made w orthogonal to the basis, and its columns to each other. Then w's part along the basis was
/// small, so that the basis' own rounding was not passed on, and no direction lost much of its length.
bool is_clean(const Matrix& along, const Matrix& r) {
  constexpr double kSmall = 1e-3, kKept = 0.1;
  if (r.rows() < r.cols() || r.size() == 0) return false;
  const double shortest = singular_values(r).back();
  return along.norm() <= kSmall * shortest && kKept * r.norm() <= shortest * std::sqrt(static_cast<double>(r.cols()));
}

}  // namespace

Matrix BlockBasis::project(const Matrix& w, std::size_t from) const {
  Matrix out = Matrix::Zero(columns_, w.cols());
  for_tiles(rows_, kBasisTile, [&](Index begin, Index count) {
    for_blocks(from, [&](const Matrix& block, Index row) {
      out.middleRows(row, block.cols()).noalias() +=
          block.middleRows(begin, count).transpose() * w.middleRows(begin, count);
    });
  });
  sum_over(*team_, out);
  return out;
}

void BlockBasis::subtract(const Matrix& coefficients, Matrix& w, std::size_t from) const {
  for_tiles(rows_, kBasisTile, [&](Index begin, Index count) {
    for_blocks(from, [&](const Matrix& block, Index row) {
      w.middleRows(begin, count).noalias() -=
          block.middleRows(begin, count) * coefficients.middleRows(row, block.cols());
    });
  });
}

void BlockBasis::append(Matrix w) {
  columns_ += w.cols();
  if (w.cols() > 0) blocks_.push_back(std::move(w));
}

void BlockBasis::gather(Index begin, Index count, Matrix& out) const {
  out.resize(count, columns_);
  Index column = 0;
  for (const Matrix& block : blocks_) {
    out.middleCols(column, block.cols()) = block.middleRows(begin, count);
    column += block.cols();
  }
}

void BlockBasis::rotate(const Matrix& rotation) {
  Matrix rows, turned;
  Index kept_blocks = 0, kept = 0;
  std::vector<Index> widths;
  for (; kept < rotation.cols(); ++kept_blocks) {
    widths.push_back(std::min(blocks_[kept_blocks].cols(), rotation.cols() - kept));
    kept += widths.back();
  }
  for_tiles(rows_, kBasisTile, [&](Index begin, Index count) {
    gather(begin, count, rows);
    turned.noalias() = rows * rotation;
    Index column = 0;
    for (Index b = 0; b < kept_blocks; ++b) {
      blocks_[b].block(begin, 0, count, widths[b]) = turned.middleCols(column, widths[b]);
      column += widths[b];
    }
  });
  blocks_.resize(kept_blocks);
  if (kept_blocks > 0 && widths.back() < blocks_.back().cols()) {
    blocks_.back() = blocks_.back().leftCols(widths.back()).eval();
  }
  columns_ = rotation.cols();
}

Matrix BlockBasis::block(Index first, Index count) const {
  Matrix out(rows_, count), rows;
  for_tiles(rows_, kBasisTile, [&](Index begin, Index n) {
    gather(begin, n, rows);
    out.middleRows(begin, n) = rows.middleCols(first, count);
  });
  return out;
}

// A Krylov step lies along the last block of the basis except for rounding; the first after a restart, along all of it.
Orthogonalised orthonormalise(const Team& team, const BlockBasis& basis, double shortest, Matrix& w) {
  const std::size_t last = std::max<std::size_t>(basis.blocks(), 1) - 1;
  Orthogonalised out{basis.project(w, last), {}};
  basis.subtract(out.along, w, last);
  const Matrix rest = basis.project(w);
  basis.subtract(rest, w);
  out.along += rest;
  out.r = orthonormalise_columns(team, shortest, w);
  if (is_clean(rest, out.r)) return out;
  // The rest along the basis is rounding of w's former length; another pass removes it.
  const Matrix left = basis.project(w);
  basis.subtract(left, w);
  const Matrix r = correct_columns(team, w);
  out.along += left * out.r;
  out.r = (r * out.r).eval();
  return out;
}

}  // namespace logitfield::kernels

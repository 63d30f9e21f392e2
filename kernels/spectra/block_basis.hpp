#pragma once
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// Holds orthonormal vectors as blocks [n, p], whose rows a team shares. All calls are collective.
class BlockBasis {
 public:
  BlockBasis(const Team& team, Index rows) : team_(&team), rows_(rows) {}

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  std::size_t blocks() const { return blocks_.size(); }
  /// basis^T w [columns, p]; zero for the blocks before number `from`.
  Matrix project(const Matrix& w, std::size_t from = 0) const;
  /// w -= basis * coefficients [columns, p], without the blocks before number `from`.
  void subtract(const Matrix& coefficients, Matrix& w, std::size_t from = 0) const;
  /// Appends w's columns, which must be orthonormal and orthogonal to the basis.
  void append(Matrix w);
  /// basis <- basis * rotation [columns, k], in place; the rotation has orthonormal columns.
  void rotate(const Matrix& rotation);
  /// Columns first ... first + count - 1 [n, count].
  Matrix block(Index first, Index count) const;

 private:
  /// Calls visit(block, its first column) for the blocks from number `from` on.
  template <class Visit>
  void for_blocks(std::size_t from, Visit&& visit) const {
    Index column = 0;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      if (b >= from) visit(blocks_[b], column);
      column += blocks_[b].cols();
    }
  }
  /// Rows begin ... begin + count - 1 of all columns.
  void gather(Index begin, Index count, Matrix& out) const;

  const Team* team_;
  Index rows_, columns_ = 0;
  std::vector<Matrix> blocks_;
};

/// Decomposes w = basis * along + (new w) * r, with new w orthonormal and orthogonal to the basis. Directions shorter
/// than `shortest` are dropped: new w may be narrower, and r has fewer rows. Block Gram-Schmidt along the last block,
/// then along all blocks, and once more where that cancels. Inside the block, orthonormalises by the eigenvectors of
/// the Gram matrix (Stathopoulos & Wu 2002). Collective.
struct Orthogonalised {
  Matrix along, r;
};
Orthogonalised orthonormalise(const Team& team, const BlockBasis& basis, double shortest, Matrix& w);

}  // namespace logitfield::kernels

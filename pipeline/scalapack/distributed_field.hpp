#pragma once
#include <cstdint>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/scope.hpp"
#include "pipeline/scalapack/block_cyclic.hpp"

namespace logitfield {

/// The energy field E of one head, L x L, formed entry by entry in block-cyclic layout on all ranks of a grid. This
/// route gives all L singular values of a masked field, and any field of capped logits. O(L^2 d) to form, O(L^3) to
/// decompose. Results returned on every rank have the same bits on all of them. All members but moves are collective.
class DenseField {
 public:
  /// queries, keys: [L, d], whole on every rank; the grid must outlive the field. Non-finite input gives a non-finite
  /// field. Throws, on all ranks alike, std::invalid_argument if shapes disagree or are empty, and what
  /// scalapack::DistributedMatrix throws.
  DenseField(const scalapack::ProcessGrid& grid, const kernels::Matrix& queries, const kernels::Matrix& keys,
             const kernels::LogitForm& form, kernels::Scope scope);

  /// ||E||_F^2.
  double energy() const;
  /// Sums of squares of each column (key) and each row (query): [L].
  kernels::Vector key_energies() const;
  kernels::Vector query_energies() const;
  /// Sum of each row over the keys that enter its mean, zero except for rounding: [L].
  kernels::Vector row_sums(kernels::Scope scope) const;
  /// E x for x [L, p], the same on every rank.
  kernels::Matrix times(const kernels::Matrix& x) const;
  /// All L singular values, descending. Throws std::runtime_error as scalapack::singular_values does. Consumes the
  /// field.
  std::vector<double> singular_values() &&;

 private:
  scalapack::DistributedMatrix field_;
};

/// Bytes of the field and of the workspace for its singular values, on the rank that holds most, on a near-square grid.
/// Throws std::invalid_argument if the length is not in 1 ... INT_MAX or ranks < 1.
std::uint64_t dense_field_bytes(std::int64_t length, int ranks);

}  // namespace logitfield

#pragma once
#include "kernels/field/centring.hpp"
#include "kernels/spectra/linear_operator.hpp"

namespace logitfield::kernels {

/// Energies of the causal field E_ij = a_i . b_j - m_i (j <= i) of factors a, b [n, w], for this rank's rows: per key
/// (column) and per query (row). Also holds the row means m. All values are exact.
struct CausalEnergies {
  Vector keys, queries, means;
};
/// Computes them by quadratic forms of running sums over tiles, and by explicit logits inside a tile. Costs 4 L w^2
/// flops and 2 L w times the rows of a tile, and memory O(w^2). Collective.
CausalEnergies causal_energies(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement);

/// E = tril(a b^T) with a = [a, -m] and b = [b, 1]; never formed.
struct CausalField {
  FactorRows a, b;
};
CausalField causal_field(FactorRows a, FactorRows b, const Vector& means);

/// Applies E to blocks of p vectors, about L (4 w + 2 kOperatorTile) p flops per product. Keeps the logits near the
/// diagonal [L, kOperatorTile]. The field must outlive the operator.
class CausalOperator final : public LinearOperator {
 public:
  CausalOperator(const Team& team, const CausalField& field);
  Index rows() const override { return field_.a.rows(); }
  void apply(const Matrix& x, Matrix& y) const override;
  void apply_transpose(const Matrix& y, Matrix& x) const override;

 private:
  void multiply(bool forwards, const Matrix& x, Matrix& y) const;

  const Team& team_;
  const CausalField& field_;
  /// Logits of the tiles on the diagonal, one tile after the other.
  Matrix diagonal_;
};

}  // namespace logitfield::kernels

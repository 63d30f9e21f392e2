#pragma once
#include "kernels/cpu/centring.hpp"
#include "kernels/cpu/linear_operator.hpp"

namespace logitfield::kernels::cpu {

/// The causal field E = tril(a b^T), a = [s Q, -m] and b = [K, 1] [n, w] for this rank's rows: never formed.
struct CausalField {
  FactorRows a, b;
};

/// Adds the column of causal row means to `a` and that of ones to `b`. Collective.
CausalField causal_field(const Team& team, FactorRows a, FactorRows b, const Placement& placement);

/// Squared norms of the columns (keys) and rows (queries) of E that belong to this rank's rows, exact.
struct CausalEnergies {
  Vector keys, queries;
};
/// Quadratic forms b_j^T (sum_{i>=j} a_i a_i^T) b_j and the mirror image, by running sums over tiles, and explicit logits
/// inside a tile. 6 L w^2 flops and a little, memory O(w^2). Collective.
CausalEnergies causal_energies(const Team& team, const CausalField& field);

/// E as an operator on blocks of p vectors: about L w (6 p + 2 kCausalTile) flops a product. The field must outlive it.
class CausalOperator final : public LinearOperator {
 public:
  CausalOperator(const Team& team, const CausalField& field) : team_(team), field_(field) {}
  Index rows() const override { return field_.a.rows(); }
  void apply(const Matrix& x, Matrix& y) const override;
  void apply_transpose(const Matrix& y, Matrix& x) const override;

 private:
  const Team& team_;
  const CausalField& field_;
};

}  // namespace logitfield::kernels::cpu

#pragma once
#include "kernels/field/causal_field.hpp"
#include "kernels/field/window_pass.hpp"

namespace logitfield::kernels {

// Causal fields masked by a window or chunks: E_ij = a_i . b_j - m_i for the keys j that query i sees, else 0. Factors
// a, b [n, w] hold this rank's rows. Time and memory are linear in the context. Sums over a window are sums of tiles;
// nothing is ever subtracted. The functions compute the windowed versions of those in causal_field.hpp.

/// Computes exact energies and row means. 8 L w^2 flops and up to 16 L w times the rows of a tile; memory O(keys seen w
/// / tile + tile w). Collective.
CausalEnergies windowed_energies(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                                 const Visible& visible);

/// Applies E to blocks of p vectors, about L (4 w + 2 kEdgeTiles kOperatorTile) p flops per product. Keeps the
/// logits near the two edges of the window, about [L, 2 kEdgeTiles kOperatorTile]. The field must outlive the operator.
class WindowedOperator final : public LinearOperator {
 public:
  WindowedOperator(const Team& team, const CausalField& field, const Placement& placement, const Visible& visible);
  Index rows() const override { return field_.a.rows(); }
  void apply(const Matrix& x, Matrix& y) const override { multiply(of_queries_, x, y); }
  void apply_transpose(const Matrix& y, Matrix& x) const override { multiply(of_keys_, y, x); }

 private:
  /// One direction: a row of `own` meets rows of `others`.
  struct Side {
    WindowPass pass;
    const FactorRows *own, *others;
    Surroundings surroundings;
    Matrix halo;
    std::vector<WindowTile> tiles;
    /// Logits of each tile [rows, rest], masked.
    std::vector<Matrix> logits;
  };
  Side side(bool forwards, const Placement& placement, const Visible& visible) const;
  void multiply(const Side& side, const Matrix& x, Matrix& y) const;

  const Team& team_;
  const CausalField& field_;
  const Range own_;
  const Side of_queries_, of_keys_;
};

/// Takes the Krylov route for a windowed field. Collective.
RouteResult windowed_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                           const Visible& visible, Index components, const Rounding& rounding);

}  // namespace logitfield::kernels

#pragma once
#include "kernels/field/factor_rows.hpp"
#include "kernels/team.hpp"

namespace logitfield::testing {

/// a^T a [w, w] over the team. Collective.
inline Matrix gram_of(const Team& team, const FactorRows& a) {
  const Matrix rows = a.all();
  Matrix out = rows.transpose() * rows;
  sum_over(team, out);
  return out;
}

}  // namespace logitfield::testing

#pragma once
#include "kernels/field/factor_rows.hpp"
#include "kernels/team.hpp"

namespace logitfield::testing {

/// a^T a [w, w] over the team. Collective.
inline kernels::Matrix gram_of(const kernels::Team& team, const kernels::FactorRows& a) {
  const kernels::Matrix rows = a.all();
  kernels::Matrix out = rows.transpose() * rows;
  sum_over(team, out);
  return out;
}

}  // namespace logitfield::testing

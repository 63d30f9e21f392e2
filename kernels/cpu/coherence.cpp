#include "kernels/cpu/coherence.hpp"

#include <algorithm>
#include <limits>

#include "kernels/cpu/centring.hpp"
#include "kernels/cpu/gram.hpp"
#include "kernels/cpu/lapack.hpp"

namespace logitfield::kernels::cpu {
namespace {

struct Leverage {
  Vector values;
  std::int64_t rank = 0;

  /// (L / r) max_j leverage_j; NaN where there is no column space.
  double coherence() const {
    if (rank == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(values.size()) / static_cast<double>(rank) * values.maxCoeff();
  }
};

/// Leverages of the column space of factor.basis * factor.r; numerical rank: sigma > max(L, d) * eps * sigma_1.
Leverage leverage(const ThinFactor& factor) {
  const Index length = factor.basis.rows(), width = factor.r.cols();
  if (factor.full_rank) return {factor.basis.rowwise().squaredNorm(), width};
  const Svd core = svd(factor.r);
  const double threshold =
      static_cast<double>(std::max(length, width)) * std::numeric_limits<double>::epsilon() * core.sigma[0];
  const Index rank = std::count_if(core.sigma.begin(), core.sigma.end(), [&](double s) { return s > threshold; });
  const Matrix basis = factor.basis * core.u.leftCols(rank);
  return {basis.rowwise().squaredNorm(), rank};
}

}  // namespace

KeyGeometry key_geometry(const MatrixRef& keys) {
  KeyGeometry out;
  out.keys = keys;
  out.centred = centred_keys(keys);
  out.norm = out.keys.norm();
  out.centred_norm = out.centred.norm();
  out.gram = gram(out.centred);
  out.factor = thin_factor(out.centred, out.gram);
  Leverage centred = leverage(out.factor);
  out.coherence = {centred.coherence(), leverage(thin_factor(keys)).coherence(), centred.rank};
  out.leverage = std::move(centred.values);
  return out;
}

}  // namespace logitfield::kernels::cpu

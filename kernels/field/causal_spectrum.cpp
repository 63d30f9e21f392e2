#include "kernels/field/causal_spectrum.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "kernels/spectra/lapack.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// Rows of a block, inside which logits are formed.
constexpr Index kBlock = 32;
/// Shifts that pass from rank to rank together, while earlier ranks work on the next ones.
constexpr Index kShiftsTogether = 4;

using Part = Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>;

/// A block of rows of the field over its norm, and the matrices that do not depend on the shift.
struct Block {
  /// Factors [m, w].
  Matrix a, b;
  /// With e = tril(a b^T): b^T e^T [w, m], e e^T [m, m], b^T b [w, w].
  Matrix into, own, sum;
};

void read_block(const CausalField& field, double norm, Index begin, Index count, Block& out) {
  field.a.tile(begin, count, out.a);
  field.b.tile(begin, count, out.b);
  out.a /= norm;
  Matrix e = out.a * out.b.transpose();
  e.triangularView<Eigen::StrictlyUpper>().setZero();
  out.into.noalias() = out.b.transpose() * e.transpose();
  out.own.noalias() = e * e.transpose();
  out.sum.noalias() = out.b.transpose() * out.b;
}

/// Computes state -= x s^-1 x^T, and det(s / shift) into `d`. s [m, m] is the covariance of a block's outputs, x [w, m]
/// theirs with the state. Overwrites x.
void condition_on(const Matrix& s, double shift, Part x, Part state, ShiftedDeterminant& d) {
  if (const Eigen::LLT<Matrix> factor(s); factor.info() == Eigen::Success) {
    d.log += (factor.matrixLLT().diagonal().array().square() / shift).log().sum();
    factor.matrixL().transpose().solveInPlace<Eigen::OnTheRight>(x);
    state.noalias() -= x * x.transpose();
    return;
  }
  const SymmetricEigen eigen = symmetric_eigen(s);
  d.log += (eigen.values.array() / shift).abs().log().sum();
  d.below += (eigen.values.array() < 0).count();
  const Matrix turned = x * eigen.vectors;
  state.noalias() -= turned * eigen.values.cwiseInverse().asDiagonal() * turned.transpose();
}

/// Passes this rank's rows through the filters of all shifts. Their states [w, w] are stacked one below the other.
void pass_rows(const CausalField& field, double norm, std::span<const double> shifts, Matrix& states,
               std::span<ShiftedDeterminant> out) {
  const Index w = field.b.width();
  Block block;
  Matrix seen, s;
  for_tiles(field.a.rows(), kBlock, [&](Index begin, Index count) {
    read_block(field, norm, begin, count, block);
    seen.noalias() = states * block.a.transpose();
    for (Index k = 0; k < std::ssize(shifts); ++k) {
      auto x = seen.middleRows(k * w, w);
      auto state = states.middleRows(k * w, w);
      s.noalias() = block.a * x;
      out[k].rounding = std::max(out[k].rounding, static_cast<double>(w) * kEpsilon * s.cwiseAbs().maxCoeff());
      s += block.own;
      s.diagonal().array() += shifts[k];
      x += block.into;
      state += block.sum;
      condition_on(s, shifts[k], x, state, out[k]);
    }
  });
}

}  // namespace

CausalSpectrum::CausalSpectrum(const Team& team, const CausalField& field, Index length, double energy)
    : team_(team), field_(field), length_(length), energy_(energy) {}

std::vector<ShiftedDeterminant> CausalSpectrum::determinants(std::span<const double> shifts) const {
  const Index w = field_.b.width(), count = std::ssize(shifts), ranks = team_.size();
  const Index together = ranks == 1 ? count : kShiftsTogether, groups = (count + together - 1) / together;
  std::vector<ShiftedDeterminant> out(shifts.size());
  // The filter runs down the rows: a rank receives a group of shifts from the previous rank, and passes it on.
  Matrix states = Matrix::Zero(together * w, w);
  for (Index step = 0; step < groups + ranks - 1; ++step) {
    const Index first = (step - team_.rank()) * together, here = std::min(together, count - first);
    if (first >= 0 && here > 0) {
      states.conservativeResize(here * w, w);
      pass_rows(field_, std::sqrt(energy_), shifts.subspan(first, here), states, std::span(out).subspan(first, here));
      states.conservativeResize(together * w, w);
    }
    team_.take_from_before(as_span(states));
  }
  for (ShiftedDeterminant& d : out) {
    d.log = sum_over(team_, d.log);
    d.below = static_cast<Index>(sum_over(team_, static_cast<double>(d.below)));
    d.rounding = max_over(team_, d.rounding);
  }
  return out;
}

// e_i . e_j = (b^T e_i^T) . a_j for j in a later block. So `known`, the sum of x x^T over the vectors x = b^T e_i^T of
// earlier blocks, is enough.
double CausalSpectrum::fourth_powers() const {
  const Index w = field_.b.width();
  Matrix before = Matrix::Zero(w, w);
  if (team_.size() > 1) {
    Matrix rows;
    for_tiles(field_.b.rows(), kTileRows, [&](Index begin, Index count) {
      field_.b.tile(begin, count, rows);
      before.noalias() += rows.transpose() * rows;
    });
    team_.sum_before(as_span(before));
  }
  double sum = 0;
  Matrix known = Matrix::Zero(w, w), queries = Matrix::Zero(w, w);  // sum of x x^T; a^T a
  Block block;
  for_tiles(field_.a.rows(), kBlock, [&](Index begin, Index count) {
    read_block(field_, std::sqrt(energy_), begin, count, block);
    const Matrix seen = before * block.a.transpose(), into = seen + block.into;
    sum += (block.own + block.a * seen).squaredNorm() + 2 * (block.a * known).cwiseProduct(block.a).sum();
    known.noalias() += into * into.transpose();
    before += block.sum;
    queries.noalias() += block.a.transpose() * block.a;
  });
  team_.sum_before(as_span(known));
  if (team_.rank() > 0) sum += 2 * known.cwiseProduct(queries).sum();
  return sum_over(team_, sum);
}

double determinant_flops(double length, double width) {
  return length * width * (4 * width + 3 * static_cast<double>(kBlock));
}

std::optional<Index> count_above(const CausalSpectrum& spectrum, double sigma, double margin) {
  const double shift = -sigma * sigma / spectrum.energy();
  const ShiftedDeterminant d = spectrum.determinants({&shift, 1})[0];
  if (!(d.rounding * spectrum.energy() < margin)) return std::nullopt;
  return spectrum.length() - d.below;
}

}  // namespace logitfield::kernels

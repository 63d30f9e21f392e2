#include "kernels/cpu/krylov.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/lapack.hpp"
#include "kernels/random.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr std::uint64_t kStartSeed = 0x6b72796c6f76;
/// Wider blocks make faster products, narrower ones a subspace of higher degree: at 4,096 positions 32 take a seventh
/// longer, 8 as long.
constexpr Index kLargestBlock = 16, kSmallestBlock = 4;
/// Energy that may be missing from a subspace that holds everything.
constexpr double kNegligible = 1e-12;
constexpr Index kMostRestarts = 50;

Index block_width(Index length) { return std::clamp(length / 16, std::min(length, kSmallestBlock), kLargestBlock); }

class BlockLanczos {
 public:
  BlockLanczos(const Team& team, const LinearOperator& field, Index first_row, const KrylovTarget& target)
      : team_(team),
        field_(field),
        first_row_(first_row),
        target_(target),
        scale_(std::sqrt(target.energy)),
        u_(team, field.rows()),
        v_(team, field.rows()) {}

  LeadingTriplets run() {
    Matrix next = fresh_block();
    Index restarts = 0;
    for (Index checked = 0;;) {
      next = extend(std::move(next));
      const bool exhausted = next.cols() == 0, full = is_full();
      // A decomposition of the projected matrix costs m^3: not after every block, nor where it cannot hold enough.
      if (!exhausted && !full && (v_.columns() < checked + checked / 2 || !may_be_enough())) continue;
      checked = v_.columns();
      decompose();
      if (exhausted && (captured() >= 1 - kNegligible || v_.columns() >= target_.length)) return finish(true);
      if (exhausted) {
        next = fresh_block();
        if (next.cols() == 0) return finish(true);
      } else if (converged()) {
        return finish(false);
      } else if (full) {
        if (++restarts > kMostRestarts) return finish(false);
        restart();
      }
    }
  }

 private:
  Index most_columns() const { return krylov_columns(target_.length, target_.most_components); }

  /// A subspace that may grow to the whole space is never restarted.
  bool is_full() const {
    return most_columns() < target_.length && v_.columns() + block_width(target_.length) > most_columns();
  }

  /// Random directions outside the basis.
  Matrix fresh_block() {
    const Index room = target_.length - v_.columns();
    Matrix out = gaussian_rows(stream_seed(kStartSeed, fresh_++), first_row_, field_.rows(),
                               std::min(room, block_width(target_.length)));
    orthonormalise(team_, v_, 1, out);
    return out;
  }

  /// One step: E V = U T stays exact, and E^T U = V T^T + next * coupling. Returns next.
  Matrix extend(Matrix start) {
    Matrix image, next;
    field_.apply(start, image);
    ++products_;
    const Index width = start.cols(), columns = v_.columns(), rows = u_.columns();
    v_.append(std::move(start));
    const Orthogonalised left = orthonormalise(team_, u_, scale_, image);
    const Index added = image.cols();
    projected_.conservativeResizeLike(Matrix::Zero(rows + added, columns + width));
    projected_.topRightCorner(rows, width) = left.along;
    projected_.bottomRightCorner(added, width) = left.r;
    field_.apply_transpose(image, next);
    ++products_;
    u_.append(std::move(image));
    coupling_ = Matrix::Zero(0, u_.columns());
    if (added > 0) {
      const Orthogonalised right = orthonormalise(team_, v_, scale_, next);
      coupling_ = Matrix::Zero(right.r.rows(), u_.columns());
      coupling_.rightCols(added) = right.r;
    } else {
      next.resize(field_.rows(), 0);
    }
    return next;
  }

  void decompose() { ritz_ = svd(projected_); }

  double captured(Index components) const {
    double sum = 0;
    for (Index i = 0; i < components; ++i) sum += ritz_.sigma[i] * ritz_.sigma[i];
    return sum / target_.energy;
  }
  double captured() const { return captured(std::ssize(ritz_.sigma)); }

  /// Components to return, as far as the present Ritz values tell.
  Index wanted() const {
    const Index there = std::min<Index>(std::ssize(ritz_.sigma), target_.most_components);
    for (Index k = 2; k < there; ++k) {
      if (captured(k) >= target_.fraction) return k;
    }
    return there;
  }

  /// The Ritz values may carry the share: their squares sum to the projected matrix's.
  bool may_be_enough() const { return projected_.squaredNorm() >= target_.fraction * target_.energy; }

  bool converged() const {
    const Index k = wanted();
    const bool enough = k == target_.most_components || (k >= 2 && captured(k) >= target_.fraction);
    if (!enough) return false;
    const Matrix residuals = coupling_ * ritz_.u.leftCols(k);
    return residuals.colwise().norm().maxCoeff() <= 0.5 * target_.tolerance * ritz_.sigma[0];
  }

  /// Keeps the Ritz vectors that will be wanted, and as many again to speed convergence up.
  void restart() {
    const Index block = block_width(target_.length), there = std::ssize(ritz_.sigma);
    const Index keep = std::min(there, std::min(wanted() + 2 * block, most_columns() - 2 * block));
    turn_to(keep);
  }

  void turn_to(Index k) {
    u_.rotate(ritz_.u.leftCols(k));
    v_.rotate(ritz_.vt.topRows(k).transpose());
    coupling_ = (coupling_ * ritz_.u.leftCols(k)).eval();
    projected_ = Eigen::Map<const Vector>(ritz_.sigma.data(), k).asDiagonal();
  }

  LeadingTriplets finish(bool exhausted) {
    Index k = wanted();
    const double zero = 4 * static_cast<double>(target_.length) * std::numeric_limits<double>::epsilon();
    while (k > 1 && ritz_.sigma[k - 1] <= zero * ritz_.sigma[0]) --k;
    turn_to(k);
    const std::vector<double> sigma(ritz_.sigma.begin(), ritz_.sigma.begin() + k);
    const double residual = measure_residual(sigma);
    const bool complete = exhausted && captured(k) >= 1 - kNegligible;
    return {sigma, std::move(u_), std::move(v_), residual, complete, products_};
  }

  double measure_residual(const std::vector<double>& sigma) {
    double worst = 0;
    const Index k = std::ssize(sigma);
    for (Index first = 0; first < k; first += kLargestBlock) {
      const Index count = std::min(kLargestBlock, k - first);
      const auto values = Eigen::Map<const Vector>(sigma.data() + first, count).asDiagonal();
      const Matrix u = u_.block(first, count), v = v_.block(first, count);
      Matrix ev, etu;
      field_.apply(v, ev);
      field_.apply_transpose(u, etu);
      products_ += 2;
      Matrix squares(2, count);
      squares << (ev - u * values).colwise().squaredNorm(), (etu - v * values).colwise().squaredNorm();
      sum_over(team_, squares);
      worst = std::max(worst, std::sqrt(squares.maxCoeff()));
      if (!squares.allFinite()) return std::numeric_limits<double>::quiet_NaN();
    }
    return worst / sigma[0];
  }

  const Team& team_;
  const LinearOperator& field_;
  const Index first_row_;
  const KrylovTarget target_;
  const double scale_;
  BlockBasis u_, v_;
  /// U^T E V, and E^T U - V (U^T E V)^T in coordinates of the next block.
  Matrix projected_, coupling_;
  Svd ritz_;
  Index products_ = 0;
  std::uint64_t fresh_ = 0;
};

}  // namespace

Index krylov_columns(Index length, Index most_components) {
  const Index block = block_width(length);
  return std::min(length, most_components + most_components / 2 + 8 * block);
}

LeadingTriplets leading_triplets(const Team& team, const LinearOperator& field, Index first_row,
                                 const KrylovTarget& target) {
  return BlockLanczos(team, field, first_row, target).run();
}

}  // namespace logitfield::kernels::cpu

#include "kernels/spectra/krylov.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/random.hpp"
#include "kernels/spectra/lapack.hpp"

namespace logitfield::kernels {
namespace {

constexpr std::uint64_t kStartSeed = 0x6b72796c6f76;
/// Wider blocks make products faster; narrower ones give a subspace of higher degree. At 4,096 positions, a width of 32
/// takes a seventh longer, and 8 as long.
constexpr Index kLargestBlock = 16, kSmallestBlock = 4;
/// Neighbours closer than this, relative to their size, leave no gap for a count.
constexpr double kLeastGap = 1e-6;
constexpr Index kMostRestarts = 50;
/// Length of a random unit vector outside the basis, if it is only rounding.
constexpr double kShortest = 16 * kEpsilon;

Index block_width(Index length) { return std::clamp(length / 16, std::min(length, kSmallestBlock), kLargestBlock); }

class BlockLanczos {
 public:
  BlockLanczos(const Team& team, const LinearOperator& field, Index first_row, const KrylovTarget& target)
      : team_(team),
        field_(field),
        first_row_(first_row),
        target_(target),
        shortest_(std::max(kShortest * std::sqrt(target.energy), 2 * target.noise)),
        u_(team, field.rows()),
        v_(team, field.rows()) {}

  LeadingTriplets run() {
    next_ = fresh_block();
    bool fresh = true;
    for (Index checked = 0; restarts_ <= kMostRestarts;) {
      extend();
      const bool invariant = next_.cols() == 0;
      // A matrix that maps random directions outside the basis to nothing is zero there.
      if ((invariant && fresh && image_columns_ == 0) || v_.columns() == target_.length) return finish(true);
      fresh = invariant;
      if (invariant) {
        next_ = fresh_block();
        continue;
      }
      // A decomposition of the projected matrix costs m^3. Skip it if the subspace has grown little, or cannot hold
      // enough energy.
      if (!is_full() && (v_.columns() < checked + checked / 2 || !may_be_enough())) continue;
      checked = v_.columns();
      ritz_ = svd(projected_);
      if (converged()) {
        count();
        if (counted_ != Counted::too_few) return finish(false);
        widen();
      }
      if (is_full()) restart();
    }
    return finish(false);
  }

 private:
  Index most_columns() const { return krylov_columns(target_.length, target_.most_components); }

  /// A subspace that may grow to the whole space is never restarted.
  bool is_full() const { return most_columns() < target_.length && v_.columns() + next_.cols() > most_columns(); }

  /// Random directions outside the basis.
  Matrix fresh_block() {
    const Index room = target_.length - v_.columns();
    Matrix out = gaussian_rows(stream_seed(kStartSeed, fresh_++), first_row_, field_.rows(),
                               std::min(room, block_width(target_.length)));
    orthonormalise(team_, v_, kShortest, out);
    return out;
  }

  /// Adds random directions to the next block.
  void widen() {
    const Index width = next_.cols(), room = target_.length - v_.columns() - width;
    Matrix wider(field_.rows(), width + std::min(room, block_width(target_.length)));
    wider << next_, gaussian_rows(stream_seed(kStartSeed, fresh_++), first_row_, field_.rows(), wider.cols() - width);
    const Orthogonalised joined = orthonormalise(team_, v_, kShortest, wider);
    coupling_ = (joined.r.leftCols(width) * coupling_).eval();
    next_ = std::move(wider);
  }

  /// Makes one step: E V = U T stays exact, and E^T U = V T^T + next * coupling.
  void extend() {
    Matrix image, next;
    field_.apply(next_, image);
    ++products_;
    const Index width = next_.cols(), columns = v_.columns(), rows = u_.columns();
    v_.append(std::move(next_));
    const Orthogonalised left = orthonormalise(team_, u_, shortest_, image);
    image_columns_ = image.cols();
    projected_.conservativeResizeLike(Matrix::Zero(rows + image_columns_, columns + width));
    projected_.topRightCorner(rows, width) = left.along;
    projected_.bottomRightCorner(image_columns_, width) = left.r;
    field_.apply_transpose(image, next);
    ++products_;
    u_.append(std::move(image));
    coupling_ = Matrix::Zero(0, u_.columns());
    if (image_columns_ > 0) {
      const Orthogonalised right = orthonormalise(team_, v_, shortest_, next);
      coupling_ = Matrix::Zero(right.r.rows(), u_.columns());
      coupling_.rightCols(image_columns_) = right.r;
    } else {
      next.resize(field_.rows(), 0);
    }
    next_ = std::move(next);
  }

  double captured(Index components) const {
    double sum = 0;
    for (Index i = 0; i < components; ++i) sum += ritz_.sigma[i] * ritz_.sigma[i];
    return sum / target_.energy;
  }

  /// Number of components to return, as far as the present Ritz values show.
  Index wanted() const {
    const Index there = std::min<Index>(std::ssize(ritz_.sigma), target_.most_components);
    for (Index k = 2; k < there; ++k) {
      if (captured(k) >= target_.fraction) return k;
    }
    return there;
  }

  /// Whether the Ritz values can carry the share: their squares sum to the projected matrix's.
  bool may_be_enough() const { return projected_.squaredNorm() >= target_.fraction * target_.energy; }

  bool converged() const {
    const Index k = wanted();
    const bool enough = k == target_.most_components || (k >= 2 && captured(k) >= target_.fraction);
    if (!enough) return false;
    const Matrix residuals = coupling_ * ritz_.u.leftCols(k);
    return residuals.colwise().norm().maxCoeff() <= 0.5 * target_.tolerance * ritz_.sigma[0];
  }

  double energy_of(Index component) const { return ritz_.sigma[component] * ritz_.sigma[component]; }

  /// A Ritz value never exceeds the singular value of its rank. So if as many of both lie above a gap, none is missing.
  void count() {
    if (!target_.count_above) return;
    const Index there = std::ssize(ritz_.sigma);
    for (Index k = wanted(); k <= there; ++k) {
      const double here = energy_of(k - 1), gap = here - (k < there ? energy_of(k) : 0);
      if (gap < kLeastGap * here) continue;
      const double below = std::min(gap / 2, 0.01 * here);
      const std::optional<Index> found = target_.count_above(std::sqrt(here - below), below);
      counted_ = !found ? Counted::unknown : *found == k ? Counted::all : Counted::too_few;
      return;
    }
  }

  /// Keeps the Ritz vectors that will be wanted, and two more blocks of them to speed up convergence.
  void restart() {
    ++restarts_;
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

  /// `everything`: the matrix is zero outside the subspace.
  LeadingTriplets finish(bool everything) {
    if (projected_.size() == 0) return {{}, std::move(u_), std::move(v_), 0, true, true, products_};
    ritz_ = svd(projected_);
    const double length = static_cast<double>(target_.length);
    const double zero = std::max(4 * length * kEpsilon * ritz_.sigma[0], std::sqrt(length) * target_.noise);
    const Index nonzero = std::ranges::count_if(ritz_.sigma, [&](double s) { return s > zero; });
    const bool complete = everything && nonzero <= target_.most_components;
    const Index k = std::max<Index>(1, complete ? nonzero : std::min(nonzero, wanted()));
    turn_to(k);
    const std::vector<double> sigma(ritz_.sigma.begin(), ritz_.sigma.begin() + k);
    const double residual = measure_residual(sigma);
    const bool proven = everything || counted_ == Counted::all;
    return {sigma, std::move(u_), std::move(v_), residual, complete, proven, products_};
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
  /// Length of the field times a unit vector, if it is only rounding.
  const double shortest_;
  BlockBasis u_, v_;
  /// U^T E V, and E^T U - V (U^T E V)^T in coordinates of the next block.
  Matrix projected_, coupling_;
  Svd ritz_;
  /// The next block: orthonormal columns outside V.
  Matrix next_;
  Index image_columns_ = 0, restarts_ = 0, products_ = 0;
  enum class Counted { unknown, too_few, all } counted_ = Counted::unknown;
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

}  // namespace logitfield::kernels
